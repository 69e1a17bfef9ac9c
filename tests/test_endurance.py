"""A thousand steps of three ranks with delays and threads of their own."""

from ddp_endurance import REGISTRATIONS, STEPS_BETWEEN_DIGESTS, STEPS_EACH
from ddp_launch import launch


def test_parameters_and_histories_stay_the_same_on_all_ranks() -> None:
    first, *others = launch("endurance", 3, limit_seconds=240)
    assert len(set(first["digests"])) == REGISTRATIONS * STEPS_EACH // STEPS_BETWEEN_DIGESTS
    assert all(other == first for other in others)
