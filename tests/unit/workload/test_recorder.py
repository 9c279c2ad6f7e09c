from dynamo.workload.recorder import Recorder


def test_only_answers_of_the_open_time_count():
    """Warm-up before and stragglers after are left out."""
    recorder = Recorder()
    recorder.answer(1_000)
    recorder.open(5_000_000_000)
    for latency_ns in (10, 20, 30):
        recorder.answer(latency_ns)
    recorder.close(7_000_000_000)
    recorder.answer(1_000)
    assert (recorder.histogram.count, recorder.histogram.largest) == (3, 30)
    assert (recorder.seconds, recorder.rate) == (2.0, 1.5)


def test_faults_count_always():
    """A fault in the warm-up is one of the run; the first is kept, and none of them is an answer."""
    recorder = Recorder()
    recorder.fault("status 503")
    recorder.open(0)
    recorder.fault("status 504")
    recorder.close(1)
    assert (recorder.faults, recorder.first_fault, recorder.histogram.count) == (2, "status 503", 0)


def test_a_run_that_never_opened_has_no_rate():
    """Nor does it fail."""
    assert Recorder().rate == 0.0


def test_refusals_count_while_it_is_open():
    """Apart from answers and faults."""
    recorder = Recorder()
    recorder.refusal()
    recorder.open(0)
    recorder.refusal()
    recorder.close(1)
    recorder.refusal()
    assert (recorder.refused, recorder.faults, recorder.histogram.count) == (1, 0, 0)
