"""The request target that a target gets: Kong's normal form, or what came (nginx's proxy_pass without a URI, HAProxy)."""
import pytest

from lab.lab import service_to

# as it came -> Kong's normal form
PATHS = {"/a%7Eb": "/a~b", "/x/../y": "/y", "//a": "/a", "/a/./b": "/a/b", "/a%2fb": "/a%2Fb", "/a?x=%7e&y": "/a?x=%7e&y", "/a?": "/a?"}
RECEIVED = ["nginx", "haproxy", "f5", "alb"]
NORMALISED = ["kong", "edge"]


def paths_that_arrive(lab, persona, asked, route=None, **service):
    origin = lab.origin(content=b"x")
    hop = lab.hop(service_to(origin, route=route, **service), persona=persona)
    for path in asked:
        assert lab.client(hop).get(path).status == 200, path
    return [request.target for request in origin.requests]


@pytest.mark.rules("f5 request.path", "alb request.path", "nginx request.path", "haproxy request.path")
@pytest.mark.parametrize("persona", RECEIVED)
def test_the_path_goes_on_as_it_came(lab, persona):
    assert paths_that_arrive(lab, persona, PATHS) == list(PATHS)


@pytest.mark.rules("kong request.path", "edge request.path")
@pytest.mark.parametrize("persona", NORMALISED)
def test_the_path_goes_on_in_the_form_that_was_matched(lab, persona):
    assert paths_that_arrive(lab, persona, PATHS) == list(PATHS.values())


@pytest.mark.parametrize("persona", RECEIVED)
def test_a_path_that_is_put_together_anew_is_normal(lab, persona):
    """nginx's proxy_pass with a URI: what the location matched is replaced in the normal form."""
    assert paths_that_arrive(lab, persona, ["/shop//a%7Eb"], paths=["/shop"], route={"strip_path": True}) == ["/a~b"]
    assert paths_that_arrive(lab, persona, ["/a/../b"], path="/base") == ["/base/b"]


def test_routes_match_the_normal_form_whatever_goes_on(lab):
    """Who may not reach /admin does not by /public/../admin."""
    public, admin = lab.origin(content=b"public"), lab.origin(content=b"admin")
    parts = [service_to(public, name="public", paths=["/public"]), service_to(admin, name="admin", paths=["/admin"])]
    nginx = lab.hop({"services": [part["services"][0] for part in parts]}, persona="nginx")
    assert lab.client(nginx).get("/public/../admin").content == b"admin"
    assert [request.target for request in admin.requests] == ["/public/../admin"]
