"""Tests that are too long for CI, besides those with the mark `nightly`.

The suite is to answer in less than ten minutes on two cores. So of a test with many cases, each of
which takes seconds, CI takes some; and of two tests that show nearly the same, one. All are run by
`scripts/test --all`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

CASES_IN_CI: Final = {
    "tests/acceptance/test_cli_changed.py::test_a_mistake_beside_fresh_loses_nothing": 1,
    "tests/acceptance/test_cli_dead_letters.py::test_a_kill_at_any_point_of_a_retry": 7,
    "tests/acceptance/test_cli_drained.py::test_what_hangs_is_ended_after_drain_timeout_and_done"
    "_again_later": 1,
    "tests/acceptance/test_cli_ends_soon.py::test_only_what_is_executed_is_finished": 1,
    "tests/acceptance/test_cli_inspect_classes.py::test_values_of_the_agents_classes_are_shown_from"
    "_anywhere": 1,
    "tests/acceptance/test_cli_interrupted.py::test_the_first_signal_lets_what_is_under_way_end": 1,
    "tests/acceptance/test_cli_mistakes.py::test_settings_that_are_none": 5,
    "tests/acceptance/test_cli_mistakes.py::test_targets_that_are_no_agent": 4,
    "tests/acceptance/test_cli_odd_places.py::test_few_open_files_are_enough_or_one_clear_error": 2,
    "tests/acceptance/test_cli_streams.py::test_a_job_between_files_needs_no_stream": 1,
    "tests/acceptance/test_cli_waiting.py::test_a_command_that_is_killed_has_answered_or_not": 2,
    "tests/fire/test_chaos.py::test_no_promise_is_broken": 2,
    "tests/fire/test_flink_pools.py::test_exact_through_kills_restores_and_rescalings": 2,
    "tests/fire/test_flink_pools.py::test_memory_sets_are_exact_through_the_same": 1,
    "tests/fire/test_flink_pools.py::test_runs_that_wait_are_exact_through_the_same": 1,
    "tests/fire/test_poison.py::test_threads_that_hang_take_nobody_s_place": 1,
    "tests/fire/test_seeds.py::test_an_undisturbed_run_does_what_the_model_says": 1,
    "tests/fire/test_seeds.py::test_at_other_durabilities": 1,
    "tests/fire/test_seeds.py::test_dead_letters_are_retried_exactly_once": 2,
    "tests/fire/test_seeds.py::test_killed_at_random_instants": 5,
    "tests/fire/test_seeds.py::test_with_spawned_workers": 1,
    "tests/fire/test_write_points.py::test_a_death_while_a_shard_moves": 3,
    "tests/integration/test_environment_main.py::test_agents_of_main": 2,
    "tests/integration/test_moves.py::test_workers_killed_at_random_while_shards_move_to_and"
    "_fro": 1,
    "tests/unit/store/shard/test_killed_holders.py::test_writers": 1,
    "tests/unit/worker/engine/test_waiting_recovery.py::test_any_mixture_is_survived": 4,
    "tests/unit/worker/engine/test_waiting_recovery.py::test_each_way_to_wait_is_survived": 4,
}
"""By test, how many of its cases CI takes: spread evenly, the first one among them."""

INSTEAD: Final = {
    "tests/acceptance/test_cli_waiting.py::test_answers_while_lives_of_the_job_begin_and_end": (
        "answers under fire: tests/fire/test_seeds.py"
    ),
    "tests/examples/test_waiting_examples.py::test_films_are_ordered_once_whatever_is_killed": (
        "kills of runs that wait: tests/fire/test_seeds.py"
    ),
    "tests/flink/test_cluster.py::test_an_agents_error_fails_the_job_with_its_traceback": (
        "errors in the mini cluster: tests/flink/test_minicluster.py"
    ),
    "tests/flink/test_cluster.py::test_a_durable_call_before_the_checkpoint_is_not_made_again": (
        "the same without a cluster: tests/fire/test_flink_pools.py"
    ),
    "tests/flink/test_cluster.py::test_checkpoints_that_are_built_one_upon_the_other": (
        "the same without a cluster: tests/fire/test_flink_pools.py"
    ),
    "tests/flink/test_cluster.py::test_a_savepoint_is_carried_on_at_another_parallelism": (
        "a savepoint with runs that wait, in the same file"
    ),
    "tests/flink/test_cluster.py::test_a_segfault_costs_one_retry_and_no_task": (
        "segfaults in pools: tests/fire/test_poison.py"
    ),
    "tests/flink/test_cluster.py::test_a_worker_or_launcher_that_is_killed_is_none_of_flinks"
    "_business": "the same kills without a cluster: tests/fire/test_flink_pools.py",
    "tests/flink/test_cluster.py::test_the_agents_metrics_are_flinks": (
        "nothing: the same metrics in a pool, without Flink"
    ),
    "tests/flink/test_cluster.py::test_the_jvm_is_killed_in_the_middle_of_javas_calls": (
        "a JVM killed again and again, without a cluster: tests/integration/test_java_resources.py"
    ),
    "tests/flink/test_minicluster.py::test_the_flights_agent_gives_the_same_as_without_flink": (
        "inputs and outputs of all forms, in the same file"
    ),
    "tests/flink/test_savepoint_from_before.py::test_a_savepoint_is_carried_on_at_another"
    "_parallelism": (
        "state of an older version without Flink: tests/integration/test_state_from_before.py"
    ),
    "tests/integration/test_reload_killed.py::test_a_service_goes_on_exactly_and_in_the_generation"
    "_that_the_manifest_says": "the same of a job, in the same file",
    "tests/integration/test_service_waiting.py::test_an_answer_while_the_service_is_away_is"
    "_recorded_once": "outcomes over restarts, in the same file",
    "tests/unit/store/shard/test_killed_holders.py::test_readers_beside_a_living_writer": (
        "killed writers, in the same file"
    ),
}
"""By test, what CI has instead."""


def left_out(items: Iterable[pytest.Item]) -> set[pytest.Item]:
    """Return the tests that CI leaves out because of the tables here."""
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    out = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        if test in INSTEAD:
            out.add(item)
        elif test in CASES_IN_CI:
            cases[test].append(item)
    for test, all_cases in cases.items():
        out.update(all_cases)
        out.difference_update(_spread(all_cases, CASES_IN_CI[test]))
    return out


def _spread(cases: list[pytest.Item], number: int) -> list[pytest.Item]:
    """Return so many of the cases, spread evenly over them."""
    return [cases[place * len(cases) // number] for place in range(min(number, len(cases)))]
