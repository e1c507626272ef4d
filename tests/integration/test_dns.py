"""Host names: where DNS leads is where requests go, without a reload; failures are told apart."""
import errno
import json
import signal
import threading
import time

import pytest

from lab import behaviours
from lab.dns_server import A, AAAA, CNAME, NXDOMAIN, REFUSED, SERVFAIL, SRV
from lab.lab import service_to
from lab.wait import wait_until
from test_control import ask
from test_reload import reload, rewrite

NAME = "app.test"


def two_origins(lab):
    """The same port on two addresses."""
    for _ in range(10):
        one = lab.origin(content=b"one")
        try:
            return one, lab.origin(host="127.0.0.2", port=one.port, content=b"two")
        except OSError as error:
            assert error.errno == errno.EADDRINUSE  # somebody has that port there
    raise AssertionError("no port is free on both 127.0.0.1 and 127.0.0.2")


def hop_to(lab, dns, port, persona="kong", name=NAME, declarative=None, env=None, binary=None, **conf):
    """A hop that asks quickly and often."""
    settings = {"dns_resolver": dns.address, "dns_order": "A", "hopgate_dns_min_ttl": "100ms",
                "hopgate_dns_timeout": "300ms", "hopgate_dns_tries": "2", "dns_not_found_ttl": "300ms",
                "dns_error_ttl": "100ms", **conf}
    hop = lab.make_hop(declarative or service_to((name, port)), persona=persona, conf=settings, env=env)
    hop.binary = binary or hop.binary
    return hop.start()


def wait_for_content(client, content):
    wait_until(lambda: client.get("/").content == content, lambda: f"an answer from the origin that says {content}")


def names(hop):
    return {entry["name"]: entry for entry in ask(hop, "show", "targets")["names"]}


def test_address_change_moves_traffic_without_a_failed_request(lab):
    one, two = two_origins(lab)
    dns = lab.dns_server().say(NAME, (A, "127.0.0.1"))
    hop = hop_to(lab, dns, one.port, nginx_http_keepalive_requests="1000000")
    statuses, stop = [], threading.Event()

    def keep_asking():
        client = lab.client(hop)
        while not stop.is_set():
            statuses.append(client.get("/").status)

    asker = threading.Thread(target=keep_asking)
    asker.start()
    try:
        one.wait_for_requests(5)
        for address, origin in [("127.0.0.2", two), ("127.0.0.1", one), ("127.0.0.2", two)]:
            dns.say(NAME, (A, address))
            hop.error_log.wait_for("other addresses now", address)
            origin.wait_for_requests(len(origin.requests) + 5)
    finally:
        stop.set()
        asker.join(30)
    assert set(statuses) == {200}
    wait_until(lambda: all(connection.done for connection in one.connections),
               "idle connections to the address that has vanished to be closed")


def test_running_exchange_finishes_where_it_began(lab):
    gate = threading.Event()
    one, two = two_origins(lab)
    one.on("/slow", behaviours.after(gate, behaviours.answer(b"finished")))
    dns = lab.dns_server().say(NAME, (A, "127.0.0.1"))
    hop = hop_to(lab, dns, one.port)
    slow, quick = lab.client(hop), lab.client(hop)
    slow.send(slow.request_bytes("GET", "/slow"))
    one.wait_for_requests(1)
    dns.say(NAME, (A, "127.0.0.2"))
    wait_for_content(quick, b"two")
    gate.set()
    assert slow.read_response().content == b"finished"
    assert slow.get("/").content == b"two"
    wait_until(lambda: all(connection.done for connection in one.connections), "the old connection to be closed")


def test_several_addresses_share_the_requests(lab):
    one, two = two_origins(lab)
    dns = lab.dns_server().say(NAME, (A, "127.0.0.1"), (A, "127.0.0.2"), ttl=60)
    client = lab.client(hop_to(lab, dns, one.port))
    assert sorted(client.get("/").content for _ in range(10)) == [b"one"] * 5 + [b"two"] * 5


def test_one_question_serves_every_service_and_lasts_for_its_time_to_live(lab):
    origin = lab.origin(content=b"hello")
    dns = lab.dns_server().say(NAME, (A, "127.0.0.1"), ttl=60).say("other.test", (A, "127.0.0.1"), ttl=1)
    services = [{"name": f"s{i}", "host": host, "port": origin.port,
                 "routes": [{"name": f"r{i}", "paths": [f"/{i}"]}]}
                for i, host in enumerate([NAME, NAME, NAME.upper(), "other.test"])]
    client = lab.client(hop_to(lab, dns, origin.port, declarative={"services": services}))
    assert {client.get(f"/{i}").status for i in range(4)} == {200}
    dns.wait_for_questions("other.test", 3)  # meanwhile its neighbour is not asked for again
    assert dns.count(NAME) == 1


def test_stale_addresses_serve_while_the_server_is_dead_until_they_are_given_up(lab):
    origin = lab.origin(content=b"hello")
    dns = lab.dns_server().say(NAME, (A, "127.0.0.1"))
    hop = hop_to(lab, dns, origin.port, dns_stale_ttl="3s")
    client = lab.client(hop)
    assert client.get("/").status == 200
    dns.close()
    hop.error_log.wait_for(f'host "{NAME}" could not be resolved', "the addresses known so far stay in use")
    wait_until(lambda: names(hop)[NAME]["state"] == "stale", "the addresses to be stale")
    assert client.get("/").status == 200
    hop.error_log.wait_for(f'host "{NAME}" could not be resolved for so long')
    wait_until(lambda: client.get("/").status == 500, "the addresses to be given up")
    dns.reopen()
    wait_until(lambda: client.get("/").status == 200, "the name to be resolved again")
    hop.error_log.wait_for(f'host "{NAME}" is resolved again', "127.0.0.1")
    assert len(hop.error_log.lines("stay in use")) == 1  # however often it was asked for in vain


def test_srv_gives_port_and_weight_and_only_the_best_priority_counts(lab):
    one, two, spare = lab.origin(content=b"one"), lab.origin(content=b"two"), lab.origin(content=b"spare")
    dns = lab.dns_server().say(NAME, (SRV, (1, 30, one.port, "a.test")), (SRV, (1, 10, two.port, "b.test")),
                               (SRV, (2, 99, spare.port, "a.test")), ttl=60)
    dns.say("a.test", (A, "127.0.0.1")).say("b.test", (A, "127.0.0.1"))
    hop = hop_to(lab, dns, 1, dns_order="LAST,SRV,A,CNAME")
    client = lab.client(hop)
    contents = [client.get("/").content for _ in range(40)]
    assert (contents.count(b"one"), contents.count(b"two")) == (30, 10)
    assert names(hop)[NAME]["type"] == "SRV"
    assert names(hop)[NAME]["expires_in_s"] <= 1  # the least of all records: those of the hosts


@pytest.mark.parametrize("how", [{"silent": True}, {"rcode": SERVFAIL}])
def test_srv_host_that_cannot_be_looked_up_keeps_its_targets(lab, how):
    one, two = lab.origin(content=b"one"), lab.origin(content=b"two")
    dns = lab.dns_server().say(NAME, (SRV, (1, 1, one.port, "a.test")), (SRV, (1, 1, two.port, "b.test")), ttl=60)
    dns.say("a.test", (A, "127.0.0.1")).say("b.test", (A, "127.0.0.1"))
    hop = hop_to(lab, dns, 1, dns_order="LAST,SRV,A,CNAME", dns_stale_ttl="3600")
    client = lab.client(hop)
    assert {client.get("/").content for _ in range(4)} == {b"one", b"two"}
    dns.say("b.test", **how)
    hop.error_log.wait_for(f'host "{NAME}": 1 of the hosts in its SRV records could not be resolved')
    dns.wait_for_questions("a.test", dns.count("a.test") + 2)  # it is asked again and again
    assert {client.get("/").content for _ in range(4)} == {b"one", b"two"}
    dns.say("b.test", rcode=NXDOMAIN)  # which says that there is none
    wait_until(lambda: {client.get("/").content for _ in range(4)} == {b"one"}, "the target to go")


def test_srv_whose_hosts_are_all_silent_or_missing_keeps_what_is_known(lab):
    origin = lab.origin(content=b"hello")
    dns = lab.dns_server().say(NAME, (SRV, (1, 1, origin.port, "a.test")), (SRV, (1, 1, 1, "none.test")), ttl=60)
    dns.say("a.test", (A, "127.0.0.1"))
    hop = hop_to(lab, dns, 1, dns_order="LAST,SRV,A,CNAME", dns_stale_ttl="3600")
    client = lab.client(hop)
    assert client.get("/").status == 200
    dns.say("a.test", silent=True)
    hop.error_log.wait_for(f'host "{NAME}" could not be resolved (timeout)', "the addresses known so far stay in use")
    assert client.get("/").status == 200


def test_the_type_that_answered_last_is_asked_for_first(lab):
    origin = lab.origin(content=b"hello")
    dns = lab.dns_server().say(NAME, (A, "127.0.0.1"))
    hop_to(lab, dns, origin.port, dns_order="LAST,SRV,A,CNAME")
    dns.wait_for_questions(NAME, 3, A)
    assert dns.count(NAME, SRV) == 1


def test_cname_chain_is_followed(lab):
    origin = lab.origin(content=b"hello")
    dns = lab.dns_server().say(NAME, (CNAME, "b.test"), (CNAME, "c.test", "b.test"), (A, "127.0.0.1", "c.test"))
    assert lab.client(hop_to(lab, dns, origin.port)).get("/").content == b"hello"


def test_aaaa_is_asked_for_when_the_order_says_so(lab):
    origin = lab.origin(host="127.0.0.1", content=b"hello")
    dns = lab.dns_server().say(NAME, (AAAA, "::ffff:127.0.0.1"))
    assert lab.client(hop_to(lab, dns, origin.port, dns_order="A,AAAA")).get("/").content == b"hello"
    assert dns.count(NAME, AAAA) >= 1


def test_truncated_answer_is_fetched_over_tcp(lab):
    origin = lab.origin(content=b"hello")
    dns = lab.dns_server().say(NAME, (A, "127.0.0.1"), truncate=True)
    assert lab.client(hop_to(lab, dns, origin.port)).get("/").content == b"hello"
    assert [over for name, _, over in dns.questions][:2] == ["udp", "tcp"]


@pytest.mark.parametrize("lie", ["wrong_id", "wrong_question"])
def test_lies_are_not_believed(lab, lie):
    origin = lab.origin(content=b"hello")
    dns = lab.dns_server().say(NAME, (A, "127.0.0.1"), **{lie: True})
    hop = hop_to(lab, dns, origin.port)
    assert lab.client(hop).get("/").status == 500
    hop.error_log.wait_for(f'host "{NAME}" could not be resolved (timeout)', dns.address)


def test_search_domains_of_the_environment_are_tried(lab):
    origin = lab.origin(content=b"hello")
    dns = lab.dns_server().say("app.corp.test", (A, "127.0.0.1"))
    hop = hop_to(lab, dns, origin.port, name="app", env={"LOCALDOMAIN": "corp.test"})
    assert lab.client(hop).get("/").content == b"hello"


def test_hosts_file_comes_first_and_is_read_again_by_a_reload(lab, tmp_path):
    one, two = two_origins(lab)
    hosts = tmp_path / "hosts"
    hosts.write_text(f"# comment\n127.0.0.1 other {NAME.upper()} # {NAME}\n")
    dns = lab.dns_server().say(NAME, (A, "127.0.0.9"))
    hop = hop_to(lab, dns, one.port, dns_hostsfile=str(hosts))
    client = lab.client(hop)
    assert client.get("/").content == b"one"
    hosts.write_text(f"127.0.0.2 {NAME}\n")
    reload(hop)
    wait_for_content(client, b"two")
    assert dns.count(NAME) == 0


PAGE = "failed the initial dns/balancer resolve for 'app.test' with: "


@pytest.mark.parametrize("how, status, message, cause", [
    ({"rcode": NXDOMAIN}, 503, "name resolution failed", "NXDOMAIN"),
    ({}, 503, "name resolution failed", "no address"),
    ({"rcode": SERVFAIL}, 500, PAGE + "dns server error: 2 server failure", "server failure"),
    ({"rcode": REFUSED}, 500, PAGE + "dns server error: 5 refused", "refused"),
    ({"silent": True}, 500, PAGE + "dns client error: timeout", "timeout"),
])
def test_each_failure_has_its_status_and_is_logged_once(lab, how, status, message, cause):
    dns = lab.dns_server().say(NAME, **how)
    hop = hop_to(lab, dns, 1)
    answer = lab.client(hop).get("/", fields=[("Accept", "application/json")])
    assert (answer.status, json.loads(answer.content)["message"]) == (status, message)
    dns.wait_for_questions(NAME, 5)
    assert len(hop.error_log.lines(f'host "{NAME}" could not be resolved ({cause}), server: {dns.address}')) == 1
    entry = names(hop)[NAME]
    assert (entry["state"], entry["last_answer"], entry["server"]) == ("failed", cause, dns.address)


def test_upstream_without_a_resolved_target_is_kongs_own_failure(lab):
    dns = lab.dns_server()
    declarative = {"services": [{"name": "s", "host": "u", "routes": [{"name": "r", "paths": ["/"]}]}],
                   "upstreams": [{"name": "u", "targets": [{"target": f"{NAME}:80"}]}]}
    answer = lab.client(hop_to(lab, dns, 1, declarative=declarative)).get("/", fields=[("Accept", "application/json")])
    assert (answer.status, json.loads(answer.content)["message"]) == \
        (503, "failure to get a peer from the ring-balancer")


def test_missing_name_is_asked_for_again_only_after_its_time(lab):
    origin = lab.origin(content=b"hello")
    dns = lab.dns_server().say("clock.test", (A, "127.0.0.1"), ttl=1)
    declarative = {"services": [{"name": name, "host": name, "port": origin.port,
                                 "routes": [{"name": name, "paths": [f"/{name}"]}]} for name in (NAME, "clock.test")]}
    hop = hop_to(lab, dns, origin.port, declarative=declarative, dns_not_found_ttl="60")
    client = lab.client(hop)
    assert client.get(f"/{NAME}").status == 503
    dns.wait_for_questions("clock.test", 3)
    assert client.get(f"/{NAME}").status == 503
    assert dns.count(NAME) == 1


def test_second_server_is_asked_when_the_first_fails(lab):
    origin = lab.origin(content=b"hello")
    bad, good = lab.dns_server().say(NAME, rcode=SERVFAIL), lab.dns_server().say(NAME, (A, "127.0.0.1"))
    hop = hop_to(lab, good, origin.port, dns_resolver=f"{bad.address}, {good.address}")
    assert lab.client(hop).get("/").content == b"hello"
    assert bad.count(NAME) >= 1
    assert names(hop)[NAME]["server"] == good.address


def test_slow_dns_holds_up_neither_traffic_nor_status_nor_reload(lab):
    gate = threading.Event()
    origin = lab.origin(content=b"hello")
    dns = lab.dns_server().say(NAME, (A, "127.0.0.1"))
    hop = hop_to(lab, dns, origin.port, hopgate_dns_timeout="60s", dns_stale_ttl="3600")
    client = lab.client(hop)
    assert client.get("/").status == 200
    dns.say(NAME, (A, "127.0.0.1"), gate=gate)
    dns.wait_for_questions(NAME, dns.count(NAME) + 1)  # it is waiting for that answer now
    begun_at = time.monotonic()
    assert ask(hop, "status")["ok"]
    rewrite(hop, service_to((NAME, origin.port), name="renamed"))
    reload(hop)
    assert client.get("/").status == 200
    assert time.monotonic() - begun_at < 30  # half of what the question may take
    gate.set()


def test_reload_to_another_server_follows_it(lab):
    one, two = two_origins(lab)
    first, second = lab.dns_server().say(NAME, (A, "127.0.0.1")), lab.dns_server().say(NAME, (A, "127.0.0.2"))
    hop = hop_to(lab, first, one.port)
    client = lab.client(hop)
    assert client.get("/").content == b"one"
    rewrite(hop, dns_resolver=second.address)
    reload(hop)
    wait_for_content(client, b"two")


def test_reload_that_fails_leaves_names_alone(lab):
    origin = lab.origin(content=b"hello")
    first, second = lab.dns_server().say(NAME, (A, "127.0.0.1"), ttl=3600), lab.dns_server()
    hop = hop_to(lab, first, origin.port, hopgate_dns_max_ttl="3600")
    assert lab.client(hop).get("/").status == 200
    good = hop.config_path.read_text()
    rewrite(hop, "{")
    reload(hop)  # fails before names come into it
    assert names(hop)[NAME]["asked_again_in_s"] > 0 and first.count(NAME) == 1
    rewrite(hop, good, dns_resolver=second.address, proxy_listen=f"127.0.0.1:0, 127.0.0.1:{origin.port}")
    reload(hop)  # fails after them
    assert len(hop.error_log.lines("reload failed")) == 2
    first.wait_for_questions(NAME, 2)  # it is the one who is asked
    assert lab.client(hop).get("/").status == 200


def test_end_is_obeyed_while_a_reload_waits_for_a_new_name(lab):
    origin = lab.origin(content=b"hello")
    dns = lab.dns_server().say(NAME, (A, "127.0.0.1"), ttl=60).say("silent.test", silent=True)
    hop = hop_to(lab, dns, origin.port, hopgate_dns_timeout="60s")
    rewrite(hop, service_to(("silent.test", origin.port)))
    hop.signal(signal.SIGSTOP)
    hop.signal(signal.SIGHUP)
    hop.signal(signal.SIGTERM)  # waits behind HUP, whose number is lower
    hop.signal(signal.SIGCONT)
    assert hop.wait_exit() == 0
    hop.error_log.wait_for("reload failed", "configuration 1 stays in force")
    assert hop.error_log.lines("given up: the hop was told to end meanwhile")


def test_bad_server_address_is_refused_by_name(lab):
    hop = lab.make_hop(service_to((NAME, 80)), conf={"dns_resolver": "dns.example.com"}).spawn()
    assert hop.wait_exit() == 78
    assert "dns_resolver" in hop.stderr() and "dns.example.com" in hop.stderr()
    lab.expect_bad_end.add(hop)


def test_sockets_of_questions_do_not_pile_up(lab):
    origin = lab.origin(content=b"hello")
    dns = lab.dns_server()
    many = [f"n{i}.test" for i in range(20)]
    for name in many:
        dns.say(name, (A, "127.0.0.1"), truncate=True, ttl=1)
    declarative = {"services": [{"name": name, "host": name, "port": origin.port,
                                 "routes": [{"name": name, "paths": [f"/{name}"]}]} for name in many]}
    quiet = hop_to(lab, dns, origin.port, name="127.0.0.1")  # asks nothing
    hop = hop_to(lab, dns, origin.port, declarative=declarative)
    for name in many:
        dns.wait_for_questions(name, 6)
    hop.wait_fd_count(quiet.fd_count() + 1)  # c-ares may hold one for the next question


def test_name_that_is_given_up_while_it_is_asked_for_leaves_nothing_behind(lab):
    origin = lab.origin(content=b"hello")
    gate = threading.Event()
    dns = lab.dns_server().say(NAME, (A, "127.0.0.1")).say("gone.test", (A, "127.0.0.1"))
    hop = hop_to(lab, dns, origin.port, name="gone.test", hopgate_dns_timeout="60s")
    assert lab.client(hop).get("/").status == 200
    dns.say("gone.test", (A, "127.0.0.1"), gate=gate)
    rewrite(hop, service_to((NAME, origin.port)))
    reload(hop)
    hop.error_log.wait_for("configuration 1 is not in use any more")
    assert set(names(hop)) <= {NAME, "gone.test"}
    gate.set()
    wait_until(lambda: set(names(hop)) == {NAME}, "the former name to be forgotten")
    assert lab.client(hop).get("/").content == b"hello"
