"""The signers' word for our deposit addresses: asked for, kept, shown to merchants."""
