"""`hopgate why`: a provoked failure is told with its cause, its evidence and its fix; never with a secret."""
import re
import signal
import threading

import pytest

from lab import behaviours
from lab.client import Truncated
from lab.lab import service_to
from lab.wait import wait_until
from lab.wire import Ended
from test_control import FAILED, OK, USAGE, ask, verb
from test_reload import rewrite

SHORT_MS = 300


def why(hop, *words):
    done = verb(hop, "why", *words)
    assert done.code == OK, done.err
    return done.out


def last_story(hop, count=1):
    """Of the last exchange; it was remembered before its line was written."""
    hop.access_log.wait(count)
    return why(hop, "--last")


def first_line(story):
    return story.splitlines()[0]


# ---- which exchange


def test_one_exchange_is_found_by_id_by_number_by_client_and_as_the_last(lab):
    edge = lab.edge(lab.origin(content=b"x"))
    other, client = lab.client(edge), lab.client(edge)
    other.get("/other")
    edge.access_log.wait(1)
    client.get("/wanted")
    edge.access_log.wait(2)
    facts = ask(edge, "why", "--last")["facts"]
    assert (facts["request"]["path"], facts["response"]["status"], facts["reason"]) == ("/wanted", 200, "OK")
    for name in (facts["request_id"], facts["request_id"].upper(), str(facts["number"]), f"127.0.0.1:{client.local_port}"):
        assert f"request     GET /wanted HTTP/1.1, host {client.host_field}" in why(edge, name)
    assert "GET /other HTTP/1.1" in why(edge, f"127.0.0.1:{other.local_port}")


def test_id_that_kong_tells_its_client_is_the_one_to_ask_for(lab):
    kong = lab.kong(lab.refusing_port())
    answer = lab.client(kong).get("/")
    kong.access_log.wait(1)
    assert "because the target" in why(kong, answer.fields.get("X-Kong-Request-Id"))


def test_of_a_client_address_the_last_exchange_is_told_and_the_others_are_counted(lab):
    edge = lab.edge(lab.origin(content=b"x"))
    client = lab.client(edge)
    for path in ("/1", "/2", "/3"):
        client.get(path)
    edge.access_log.wait(3)
    story = why(edge, f"127.0.0.1:{client.local_port}")
    assert "GET /3 " in story and "2 more exchanges of that client address" in story


def test_unknown_exchanges_are_said_to_be_unknown_with_a_reason(lab):
    edge = lab.edge(lab.origin(content=b"x"))
    done = verb(edge, "why", "--last")
    assert done.code == FAILED and "no exchange has ended here yet" in done.err
    lab.client(edge).get("/")
    edge.access_log.wait(1)
    for name in ("77", "0" * 32, "192.0.2.1:4711"):
        done = verb(edge, "why", name)
        assert done.code == FAILED and not done.out
        assert "no such exchange is remembered" in done.err and "hopgate_recorder_size" in done.err
    done = verb(edge, "why", "what?")
    assert done.code == FAILED and "no request id (32 hexadecimal digits)" in done.err
    done = verb(edge, "why", "--failed")
    assert done.code == FAILED and "none of the 1 exchanges remembered has failed" in done.err


@pytest.mark.parametrize("words", [["why"], ["why", "1", "--last"], ["why", "1", "2"], ["why", "--last", "--limit", "3"],
                                   ["show", "recent", "--limit", "0"], ["show", "recent", "--last"],
                                   ["show", "targets", "--failed"], ["status", "--last"]])
def test_wrong_usage_is_64(lab, words):
    edge = lab.make_hop(service_to(lab.origin()))
    assert verb(edge, *words).code == USAGE


def test_running_exchange_is_said_to_run(lab):
    gate = threading.Event()
    origin = lab.origin().on("/slow", behaviours.after(gate, behaviours.answer(b"done")))
    edge = lab.edge(origin)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    done = verb(edge, "why", "1")
    assert done.code == FAILED and "has not ended yet: waiting for response head" in done.err
    gate.set()
    assert client.read_response().status == 200


def test_recorder_that_is_off_says_so(lab):
    edge = lab.edge(lab.origin(content=b"x"), conf={"hopgate_recorder_size": "0"})
    lab.client(edge).get("/")
    edge.access_log.wait(1)
    done = verb(edge, "why", "--last")
    assert done.code == FAILED and "hopgate_recorder_size is 0" in done.err


def test_show_recent_lists_what_ended_newest_first(lab):
    origin = lab.origin(content=b"x").on("/bad", behaviours.answer(b"oh", status=500))
    edge = lab.edge(origin)
    client = lab.client(edge)
    for path in ("/1", "/bad", "/3"):
        client.get(path)
    edge.access_log.wait(3)
    recent = ask(edge, "show", "recent")["recent"]
    assert [(entry["path"], entry["status"]) for entry in recent] == [("/3", 200), ("/bad", 500), ("/1", 200)]
    assert [entry["path"] for entry in ask(edge, "show", "recent", "--limit", "1")["recent"]] == ["/3"]
    assert [entry["path"] for entry in ask(edge, "show", "recent", "--failed")["recent"]] == ["/bad"]
    assert re.search(r"number +request_id", verb(edge, "show", "recent").out)


# ---- what ended it


def test_refused_by_all_targets(lab):
    dead = [lab.refusing_port(), lab.refusing_port()]
    edge = lab.edge(*dead, retries=1)
    assert lab.client(edge).get("/").status == 502
    story = last_story(edge)
    assert first_line(story).startswith("edge answered 502 ")
    assert "every target that was tried refused the connection: 2 tries at" in first_line(story)
    assert 'Fix: start the servers behind service "main"' in first_line(story)
    for target in dead:
        assert f"127.0.0.1:{target.port}" in first_line(story)
    assert story.count("[CONNECT_REFUSED]") == 2
    assert 'decided by  retries of service "main" = 1' in story


def test_connect_timeout_names_its_field(lab):
    edge = lab.edge(lab.black_hole(), connect_timeout=SHORT_MS)
    assert lab.client(edge).get("/").status == 504
    story = last_story(edge)
    assert f"did not accept the connection within {SHORT_MS} ms" in first_line(story)
    assert f'decided by  connect_timeout of service "main" = {SHORT_MS} ms' in story


def test_read_timeout_names_its_field(lab):
    edge = lab.edge(lab.origin().on("/", behaviours.hang()), read_timeout=SHORT_MS)
    assert lab.client(edge).get("/").status == 504
    story = last_story(edge)
    assert f"sent no whole response head within {SHORT_MS} ms after the request was complete" in first_line(story)
    assert f'decided by  read_timeout of service "main" = {SHORT_MS} ms' in story
    assert "not known   whether the target was still at work" in story
    assert story.index("try 1 request sent") < story.index("try 1 failed: upstream timed out (110: Connection timed out) while")


def test_write_timeout_names_its_field(lab):
    gate = threading.Event()
    edge = lab.edge(lab.origin().on("/", behaviours.swallow(gate)), write_timeout=SHORT_MS)
    client = lab.client(edge)
    client.send_what_is_taken(client.request_bytes("POST", "/", content=b"x" * (32 << 20)))
    story = last_story(edge)
    gate.set()
    assert f"took no byte of the request for {SHORT_MS} ms" in first_line(story)
    assert f'decided by  write_timeout of service "main" = {SHORT_MS} ms' in story


def closing_on_second_request(connection, request):
    """Keeps the connection after the first request, and ends it when the second comes."""
    if request.number == 1:
        behaviours.answer(b"one")(connection, request)
    else:
        behaviours.close()(connection, request)


def test_stale_connection_is_told_as_one(lab):
    kong = lab.kong(lab.origin().otherwise(closing_on_second_request), retries=0,
                    conf={"upstream_keepalive_idle_timeout": "33"})
    client = lab.client(kong)
    assert [client.get("/1").status, client.post("/2", b"x").status] == [200, 502]
    story = last_story(kong, 2)
    assert "closed the idle connection that was reused" in first_line(story)
    assert "upstream_keepalive_idle_timeout below the target's own keep-alive timeout" in first_line(story)
    assert re.search(r"decided by  upstream_keepalive_idle_timeout = 33000 ms; set in .*kong\.conf:\d+", story)
    assert "idle connection" in story and "(request 2 on it)" in story


def test_stale_connection_that_was_made_good_is_told_too(lab):
    edge = lab.edge(lab.origin().otherwise(closing_on_second_request))
    client = lab.client(edge)
    assert [client.get("/1").status, client.get("/2").status] == [200, 200]
    story = last_story(edge, 2)
    assert "a further try succeeded; before it the target had closed an idle connection" in first_line(story)
    assert why(edge, "--failed") == story


def test_reset_in_the_middle_of_the_response(lab):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    edge = lab.edge(lab.origin().on("/", behaviours.raw(head + b"y" * 100, then="reset")))
    client = lab.client(edge)
    with pytest.raises((Truncated, Ended)):
        client.get("/")
    story = last_story(edge)
    assert first_line(story).startswith("edge cut a 200 ")
    assert "reset the connection in the middle of its response" in first_line(story)
    assert "and 200 as status" in story  # what the next hop logs


def test_client_that_gave_up_while_waiting(lab):
    origin = lab.origin().on("/", behaviours.hang())
    edge = lab.edge(origin)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/"))
    origin.wait_for_requests(1)
    client.close()
    story = last_story(edge)
    assert "(logged as 499) because the client left after" in first_line(story)
    assert "had not answered yet" in first_line(story)
    assert 'ran out before read_timeout of service "main", 60000 ms' in first_line(story)


def test_client_that_stopped_sending(lab):
    edge = lab.edge(lab.origin(), conf={"nginx_http_client_body_timeout": f"{SHORT_MS}ms"})
    client = lab.client(edge)
    client.send(client.request_bytes("POST", "/", [("Content-Length", "100")]) + b"half")
    assert client.read_response().status == 408
    story = last_story(edge)
    assert f"the client sent no byte of its content for {SHORT_MS} ms" in first_line(story)
    assert re.search(rf"decided by  nginx_http_client_body_timeout = {SHORT_MS} ms; set in .*kong\.conf:\d+", story)


def test_tls_to_a_target_that_speaks_plain_http(lab):
    origin = lab.origin(on_connect=behaviours.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n", then="close"))
    edge = lab.edge(origin, protocol="https")
    assert lab.client(edge).get("/").status == 502
    story = last_story(edge)
    assert f"what the target 127.0.0.1:{origin.port} sent is no TLS" in first_line(story)
    assert "\nexplained   " in story
    assert f"`hopgate probe --connect 127.0.0.1:{origin.port} https://" in first_line(story)
    assert 'if it speaks plain HTTP on that port, set protocol: http in service "main"' in first_line(story)


def test_no_route_lists_what_was_asked_and_the_nearest_routes(lab):
    edge = lab.hop(service_to(lab.origin(), paths=["/shop"], route={"hosts": ["shop.test"], "methods": ["GET"]}),
                   persona="edge")
    assert lab.client(edge).get("/Shop/1", [("Host", "shop.test")]).status == 404
    story = last_story(edge)
    assert 'no route matches GET /Shop/1 on host "shop.test"' in first_line(story)
    assert '  route "main-route"; path "/Shop/1" is none of: /shop\n' in story


def test_no_usable_target_shows_the_targets(lab):
    declarative = service_to(lab.origin(), lab.origin())
    for target in declarative["upstreams"][0]["targets"]:
        target["weight"] = 0
    edge = lab.hop(declarative, persona="edge")
    assert lab.client(edge).get("/").status == 503
    story = last_story(edge)
    assert 'service "main" has no usable target' in first_line(story)
    assert story.count("weight 0, healthy") == 2


def test_head_that_is_too_large_names_limit_and_key(lab):
    edge = lab.edge(lab.origin())
    client = lab.client(edge)
    client.send_what_is_taken(client.request_bytes("GET", "/", [("Cookie", "hunter2" * 4096)]))
    assert client.read_response().status == 431
    story = last_story(edge)
    assert "larger than this hop takes: 16384 bytes a line, 32768 bytes in all, 128 lines" in first_line(story)
    assert "decided by  nginx_http_large_client_header_buffers = 16384 bytes a line; not set in kong.conf: " \
           "the value is that of persona edge" in story
    assert "hunter2" not in story


def test_answer_of_the_target_is_not_told_as_our_own(lab):
    edge = lab.edge(lab.origin().on("/", behaviours.answer(b"x", status=502, fields=[("Server", "inner-proxy")])))
    assert lab.client(edge).get("/").status == 502
    story = last_story(edge)
    assert first_line(story).startswith("edge passed on a 502 ") and "this hop only passed it on" in first_line(story)
    assert "  Server: inner-proxy\n" in story


def test_hop_that_resets_instead_of_answering_is_told_so(lab):
    f5 = lab.f5(lab.refusing_port())
    client = lab.client(f5)
    with pytest.raises(Ended):
        client.get("/")
    wait_until(lambda: verb(f5, "why", "--last").code == OK, "the exchange to be remembered")
    story = why(f5, "--last")
    assert "closed the connection without an answer" in first_line(story)
    assert "got no answer: nginx and Kong answer 502" in story


# ---- what never happens


def test_secrets_never_come_out(lab):
    origin = lab.origin().on("/", behaviours.answer(b"x", status=404, fields=[("Set-Cookie", "sid=hunter2"), ("X-Api-Token", "hunter2")]))
    edge = lab.edge(origin)
    lab.client(edge).get("/?apikey=hunter2&page=3", [
        ("Authorization", "Basic hunter2"), ("Proxy-Authorization", "hunter2"), ("Cookie", "a=hunter2"),
        ("apikey", "hunter2"), ("Referer", "http://r.test/?token=hunter2"), ("X-Open", "seen")])
    edge.access_log.wait(1)
    outputs = [why(edge, "--last"), verb(edge, "why", "--last", "--json").out, verb(edge, "show", "recent").out,
               verb(edge, "show", "recent", "--json").out]
    for output in outputs:
        assert "hunter2" not in output
    assert "page=3" in outputs[0] and "X-Open: seen" in outputs[0] and "apikey=*******&" in outputs[0]


def test_bytes_of_clients_cannot_reach_the_terminal(lab):
    edge = lab.edge(lab.origin().on("/", behaviours.answer(b"x", status=404)))
    client = lab.client(edge)
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Evil: \xc2\x9b2J\xff\r\n\r\n")
    client.read_response()
    story = last_story(edge)
    assert all(c == "\n" or " " <= c <= "~" for c in story)
    assert "X-Evil: \\xC2\\x9B2J\\xFF" in story


# ---- how long it is remembered


def test_recorder_outlives_reloads(lab):
    edge = lab.edge(lab.refusing_port(), read_timeout=4321)
    lab.client(edge).get("/")
    before = last_story(edge)
    for name in ("second", "third"):
        rewrite(edge, service_to(lab.origin(), name=name))
        assert verb(edge, "reload").code == OK
    after = why(edge, "1")
    assert first_line(after) == first_line(before)
    assert 'service "main"' in after
    assert ask(edge, "why", "1")["facts"]["limits"]["read_timeout_ms"] == 4321


def test_nearest_routes_are_those_in_force_now_and_say_so(lab):
    edge = lab.hop(service_to(lab.origin(), paths=["/old"]), persona="edge")
    assert lab.client(edge).get("/new").status == 404
    assert "is none of: /old" in last_story(edge)
    rewrite(edge, service_to(lab.origin(), paths=["/new"]))
    assert verb(edge, "reload").code == OK
    story = why(edge, "1")
    assert "nearest routes in configuration 2, in force now (the exchange had 1)" in story
    assert "host, path and method match now" in story


def test_draining_workers_still_tell(lab):
    gate = threading.Event()
    origin = lab.origin(content=b"x").on("/slow", behaviours.after(gate, behaviours.answer(b"done")))
    edge = lab.edge(origin)
    for _ in range(8):  # both workers accept some
        with_own_connection = lab.client(edge)
        with_own_connection.get("/", [("Connection", "close")])
    busy = lab.client(edge)
    busy.send(busy.request_bytes("GET", "/slow"))
    origin.wait_for_requests(9)
    edge.access_log.wait(8)
    edge.signal(signal.SIGQUIT)
    wait_until(lambda: ask(edge, "status")["state"] == "draining", "the drain to begin")
    assert len(ask(edge, "show", "memory")["workers"]) == 2, "the idle worker answers scrapes until nobody has traffic"
    assert ask(edge, "show", "recent")["remembered"] == 8
    for number in range(1, 9):
        assert "nothing failed" in why(edge, str(number))
    gate.set()
    assert busy.read_response().content == b"done"
    assert edge.wait_exit() == 0
