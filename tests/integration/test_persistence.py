"""A client that was sent to a target goes there again: cookies as an F5 writes them, and source addresses."""
import collections

from lab import behaviours
from lab.lab import address_of, service_to
from test_control import OK, verb

MANY = 12
WORKERS = {"nginx_worker_processes": "2"}


def persisting(*origins, algorithm=None, **persistence):
    declarative = service_to(*origins)
    entry = {"upstream": "main.upstream", "persistence": persistence, **({"algorithm": algorithm} if algorithm else {})}
    declarative["hopgate"] = {"balancing": [entry]}
    return declarative


def letters(lab, names="abc"):
    return [lab.origin(content=name.encode()) for name in names]


def f5_value(origin):
    """The reference's formula, written down once more."""
    host, port = address_of(origin)
    a, b, c, d = (int(part) for part in host.split("."))
    return f"{a + (b << 8) + (c << 16) + (d << 24)}.{(port & 255) << 8 | port >> 8}.0000"


def test_inserted_cookie_is_f5s_and_brings_the_client_back_on_every_worker(lab):
    origins = letters(lab)
    hop = lab.hop(persisting(*origins, method="cookie"), conf=WORKERS)
    seen = set()
    for _ in range(MANY):
        answer = lab.client(hop).get("/")
        name_and_value, *attributes = answer.fields.get("Set-Cookie").split("; ")
        origin = origins["abc".index(answer.text)]
        assert name_and_value == f"BIGipServermain.upstream={f5_value(origin)}"
        assert attributes == ["path=/", "Httponly", "Secure"]
        again = lab.client(hop).get("/", [("Cookie", f"x=1; {name_and_value}; y=2")])
        assert (again.text, again.fields.get("Set-Cookie")) == (answer.text, None)
        seen.add(answer.text)
    assert seen == {"a", "b", "c"}
    tries = [entry["tries"][0] for entry in hop.access_log.wait(2 * MANY)]
    assert [attempt.get("persistence") for attempt in tries].count("cookie") == MANY


def test_a_target_that_is_down_is_left_and_the_cookie_follows(lab):
    origins = letters(lab, "ab")
    hop = lab.hop(persisting(*origins, method="cookie", cookie_name="route", secure=False, http_only=False, ttl=60))
    first = lab.client(hop).get("/")
    cookie, expires, *attributes = first.fields.get("Set-Cookie").split("; ")
    assert cookie.startswith("route=") and expires.startswith("expires=") and attributes == ["path=/"]
    home, other = origins if first.text == "a" else reversed(origins)
    target = "{}:{}".format(*address_of(home))
    assert verb(hop, "target", "set", "main.upstream", target, "disable").code == OK
    moved = lab.client(hop).get("/", [("Cookie", cookie)])
    assert moved.text != first.text
    assert moved.fields.get("Set-Cookie").startswith(f"route={f5_value(other)}; ")


def test_a_cookie_that_leads_nowhere_is_replaced(lab):
    hop = lab.hop(persisting(*letters(lab), method="cookie", cookie_name="route"))
    for value in ("", "nonsense", "1677787402.36895.0000", "vi20010112000000000000000000000030.20480"):
        answer = lab.client(hop).get("/", [("Cookie", f"route={value}")])
        assert answer.status == 200 and answer.fields.get("Set-Cookie").startswith("route=")


def test_passive_reads_what_targets_set_and_rewrite_fills_it_in(lab):
    names = collections.OrderedDict()
    for name in "ab":
        origin = lab.origin()
        origin.otherwise(behaviours.answer(name.encode(), fields=[("Set-Cookie", "route=0000; Path=/shop; Secure"),
                                                                  ("Set-Cookie", "other=1")]))
        names[name] = origin
    passive = lab.hop(persisting(*names.values(), method="cookie", cookie_method="passive", cookie_name="route"))
    rewriting = lab.hop(persisting(*names.values(), method="cookie", cookie_method="rewrite", cookie_name="route"))
    for name, origin in names.items():
        for _ in range(3):
            answer = lab.client(passive).get("/", [("Cookie", f"route={f5_value(origin)}")])
            assert answer.text == name
            assert answer.fields.all("Set-Cookie") == ["route=0000; Path=/shop; Secure", "other=1"]
    for _ in range(4):
        answer = lab.client(rewriting).get("/")
        value = f5_value(names[answer.text])
        assert answer.fields.all("Set-Cookie") == [f"route={value}; Path=/shop; Secure", "other=1"]


def test_hash_remembers_whose_cookie_it_was(lab):
    origins = []
    for name in "abc":
        origins.append(lab.origin().otherwise(
            behaviours.answer(name.encode(), fields=[("Set-Cookie", f"session={name}{name}{name}; Path=/")])))
    hop = lab.hop(persisting(*origins, method="cookie", cookie_method="hash", cookie_name="session"), conf=WORKERS)
    client = lab.client(hop)
    while len({client.get("/").text for _ in range(3)}) < 3:
        pass
    for name in "abc":
        assert {lab.client(hop).get("/", [("Cookie", f"session={name * 3}")]).text for _ in range(4)} == {name}


def test_source_address_holds_for_every_connection_and_worker_within_its_mask(lab):
    conf = {**WORKERS, "trusted_ips": "127.0.0.1", "real_ip_header": "X-Forwarded-For"}
    hop = lab.hop(persisting(*letters(lab), method="source_address", mask="255.255.255.0", algorithm="least-sessions"),
                  conf=conf)
    answers = collections.defaultdict(set)
    for host in (1, 2, 250):
        for net in range(MANY):
            answers[net].add(lab.client(hop).get("/", [("X-Forwarded-For", f"10.1.{net}.{host}")]).text)
    assert all(len(origins) == 1 for origins in answers.values()), answers
    assert {origin for origins in answers.values() for origin in origins} == {"a", "b", "c"}
    tries = [entry["tries"][0] for entry in hop.access_log.wait(3 * MANY)]
    assert [attempt.get("persistence") for attempt in tries].count("source_address") == 2 * MANY
