"""Proofs for the signers: every deposit, and every payment that can never be made, shown to each with its block."""
