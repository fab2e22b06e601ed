"""What is shown of a Python function of a Flink job that has failed."""

from __future__ import annotations

from tamias.bridge.flink.minicluster import python_failure

MESSAGE = """Error received from SDK harness for instruction 1: Traceback (most recent call last):
  File "/x/site-packages/apache_beam/runners/worker/sdk_worker.py", line 311, in _execute
    response = task()
               ^^^^^^
  File "pyflink/fn_execution/beam/beam_operations_fast.pyx", line 69, in pyflink.process
  File "/x/site-packages/pyflink/datastream/data_stream.py", line 394, in process_element
    yield Row(self._get_key_func(value), value)
  File "/home/a/job.py", line 12, in key
    return value["nope"]
           ~~~~~^^^^^^^^
KeyError: 'nope'
"""


def test_the_error_and_the_frames_of_the_user_are_shown_and_no_others() -> None:
    assert python_failure(MESSAGE).splitlines() == [
        "A Python function of the job has failed: KeyError: 'nope'",
        "",
        "Traceback (most recent call last):",
        '  File "/home/a/job.py", line 12, in key',
        '    return value["nope"]',
        "           ~~~~~^^^^^^^^",
        "KeyError: 'nope'",
    ]
