"""Which paths a hop refuses, by its persona's `client.path`, before it asks its routes."""
import pytest

SOUND = ("/", "/a/../b", "/a/b/../../c", "/./a", "/..a/...", "/a//../b?/../..", "/a%20b", "/caf%C3%A9", "/%25", "/a%2fb",
         "/a?q=%zz%00%ff")
UNFINISHED = ("/%", "/x%2", "/%zz", "/%u002e", "/%%32e%%32e/x", "/a%00b")
CLIMBING = ("/..", "/../x", "/a/../../b", "/%2e%2e/x", "/.%2E", "/a/..%2f../b", "//../x", "/./../x", "/a//../../b")
NOT_UTF8 = ("/%ff", "/%c0%ae%c0%ae/x", "/%e0%80%af", "/%ed%a0%80")
EXPECTED = {
    "edge": {200: SOUND, 400: UNFINISHED + CLIMBING + NOT_UTF8},
    "kong": {200: SOUND, 400: UNFINISHED + CLIMBING, 404: NOT_UTF8},  # nginx refuses; Kong's router takes UTF-8 only
    "f5": {200: SOUND + UNFINISHED + CLIMBING},
}


@pytest.mark.parametrize("persona", EXPECTED)
@pytest.mark.rules("f5 client.path")
def test_paths_are_refused_as_the_persona_says(lab, persona):
    origin = lab.origin(content="here")
    hop = getattr(lab, persona)(origin)
    for status, paths in EXPECTED[persona].items():
        for path in paths:
            assert lab.client(hop).get(path).status == status, path
    assert len(origin.requests) == len(EXPECTED[persona][200]), "a refused path reached the origin"


@pytest.mark.parametrize("persona", ("edge", "kong"))
def test_refused_path_is_in_the_log_and_ends_the_connection(lab, persona):
    hop = getattr(lab, persona)(lab.origin(content="here"))
    client = lab.client(hop)
    assert client.get("/a%00b").status == 400
    assert client.wait_for_end() == "fin"
    entry = hop.access_log.last()
    assert (entry.status, entry.reason, entry.tries) == (400, "CLIENT_REQUEST_INVALID", [])
