"""How every machine is run: a number of histories on a real database, the same ones in each run (fixtures.examples)."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

# Not shrunk: on a real database that takes minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


def run_machine(machine: type[RuleBasedStateMachine], examples: int, steps: int) -> None:
    """Let a machine live through so many histories of so many steps at most; a failure says how to have it again."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(machine, settings=chosen)
