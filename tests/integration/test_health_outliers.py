"""Targets that do worse than the others are left out for a while: hopgate.health, off by default."""
import threading

from lab import behaviours
from lab.wait import wait_until
from test_health_active import BAD, monitored, wait_for_state
from test_health_passive import judged, name_of, states, why
from test_reload import reload, rewrite


def compared(*targets, **outliers):
    declarative = judged(*targets)
    declarative["hopgate"] = {"health": [{"upstream": "main.upstream", "outliers": {
        "interval": 0.2, "requests_min": 5, "ejection": 0.3, "ejected_max_percent": 50, **outliers}}]}
    return declarative


class Traffic:
    """Requests one after the other until the end of the block."""

    def __init__(self, lab, hop):
        self.client, self.stop = lab.client(hop), threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.is_set():
            self.client.get("/")

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *exception):
        self.stop.set()
        self.thread.join(30)


def test_target_that_fails_more_than_the_others_is_left_out_and_let_in_again(lab):
    bad, good = lab.origin().otherwise(BAD), lab.origin()
    edge = lab.hop(compared(bad, good, failure_percent=50), persona="edge")
    with Traffic(lab, edge):
        edge.error_log.wait_for(f"target {name_of(bad)}", "is ejected now: ejected: 100% of its requests failed")
        bad.otherwise(behaviours.answer(b"fine"))
        edge.error_log.wait_for(f"target {name_of(bad)}", "is healthy now: its ejection is over")
        bad.wait_for_requests(len(bad.requests) + 5)
    assert not edge.error_log.lines(f"target {name_of(good)}")


def test_slow_target_is_left_out(lab):
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    slow, quick = lab.origin().otherwise(behaviours.trickle(answer, gap_s=0.02, size=4)), lab.origin()
    edge = lab.hop(compared(slow, quick, latency_factor=4, latency_min=0.1, requests_min=1, interval=0.5, ejection=2),
                   persona="edge")
    with Traffic(lab, edge):
        edge.error_log.wait_for(f"target {name_of(slow)}", "is ejected now", "much later than the others")


def test_never_more_than_the_share_is_left_out(lab):
    origins = [lab.origin().otherwise(BAD) for _ in range(4)]
    edge = lab.hop(compared(*origins, failure_percent=50, requests_min=1, ejection=60), persona="edge")
    with Traffic(lab, edge):
        wait_until(lambda: list(states(edge).values()).count("ejected") == 2, "half of them to be ejected")
        edge.access_log.wait(len(edge.access_log.entries()) + 100)
    assert list(states(edge).values()).count("ejected") == 2


def test_who_is_not_compared_any_more_is_let_in(lab):
    bad, good = lab.origin().otherwise(BAD), lab.origin()
    edge = lab.hop(compared(bad, good, failure_percent=50, ejection=60), persona="edge")
    with Traffic(lab, edge):
        wait_for_state(edge, bad, "ejected")
    rewrite(edge, judged(bad, good))
    reload(edge)
    assert states(edge)[name_of(bad)] == "healthy"


def test_monitor_that_is_removed_leaves_nobody_down(lab):
    good, dead = lab.origin(), lab.refusing_port()
    f5 = lab.hop(monitored(good, dead, type="tcp"), persona="f5")
    wait_for_state(f5, dead, "unhealthy")
    rewrite(f5, judged(good, dead))
    reload(f5)
    assert states(f5)[name_of(dead)] == "healthy"
    assert why(f5, dead) == "it is not checked any more"
