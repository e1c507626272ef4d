"""That the other tests would see a leak: one is planted, and the lab has to complain."""
import pytest

from lab.alloc_fault import LEAK_BYTES, MAIN_THREAD, WORKERS, AllocFault
from lab.lab import Lab, service_to
from test_reload import reload


@pytest.fixture
def inner(binary, tmp_path, pki_maker):
    """A lab as every test has it, but its end is the test's own business."""
    if b"__asan_init" not in binary.read_bytes():
        pytest.skip("the build has no LeakSanitizer")
    return Lab(lambda: binary, tmp_path / "inner", pki_maker)


def serve(lab):
    """A hop that has served a request and a reload: both kinds of threads have allocated."""
    fault = AllocFault(lab.binary, lab.directory.parent / "plan")
    hop = lab.make_hop(service_to(lab.origin(content=b"x")), persona="edge", env=fault.env)
    hop.binary = fault.binary
    hop.start()
    return fault, hop


def work(lab, hop):
    assert lab.client(hop).get("/").status == 200
    reload(hop)


@pytest.mark.parametrize("threads", [MAIN_THREAD, WORKERS], ids=["main thread", "worker"])
def test_a_planted_leak_is_a_problem_of_the_lab(inner, threads):
    fault, hop = serve(inner)
    fault.leak(threads)
    work(inner, hop)
    fault.disarm()
    problem, = inner.close()
    assert hop.process.returncode == 97
    assert "LeakSanitizer: detected memory leaks" in problem and f"{LEAK_BYTES} byte(s) leaked" in problem


def test_without_a_leak_there_is_no_problem(inner):
    _, hop = serve(inner)
    work(inner, hop)
    assert inner.close() == []
    assert hop.process.returncode == 0
