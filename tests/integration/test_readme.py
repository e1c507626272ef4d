"""What README.md shows works as it stands."""
import pathlib
import re

README = pathlib.Path(__file__).parents[2] / "README.md"


def test_first_configuration_is_a_good_one(hopgate, lab, tmp_path):
    text = README.read_text()
    declarative = re.search(r"```yaml\n(.*?)```", text, re.S).group(1)
    conf = re.search(r"`kong.conf`:\n\n```\n(.*?)```", text, re.S).group(1)
    conf = conf.replace("/etc/hopgate/shop.pem", str(lab.pki.chain("edge")))
    conf = conf.replace("/etc/hopgate/shop.key", str(lab.pki.key("edge")))
    (tmp_path / "kong.yaml").write_text(declarative)
    (tmp_path / "kong.conf").write_text(conf)
    done = hopgate("check", "-c", tmp_path / "kong.conf", tmp_path / "kong.yaml")
    assert (done.code, done.err) == (0, "")


def named_keys(text):
    """What each key that README names may stand for: one, or for "`hopgate_a_b`, `…_c`" all that it may abbreviate."""
    before = ""
    for cut, key in re.findall(r"`(…_)?([a-z][a-z0-9_]*)`", text):
        if cut:
            words = before.split("_")
            yield ["_".join([*words[:count], key]) for count in range(1, len(words) + 1)]
        elif key.startswith(("hopgate_", "nginx_")):
            before = key
            yield [key]


def test_every_key_is_known(hopgate, tmp_path):
    named = list(named_keys(README.read_text()))
    assert ["hopgate_missing_sni"] in named  # the second one of its row
    every = sorted({key for keys in named for key in keys})
    (tmp_path / "kong.conf").write_text("".join(f"{key} = surely wrong\n" for key in every))
    said = hopgate("check", "-c", tmp_path / "kong.conf").err
    unknown = set(re.findall(r"error: (\w+): (?:unknown key|is an nginx directive without an equal)", said))
    assert unknown < set(every)
    assert [keys for keys in named if set(keys) <= unknown] == []


def test_every_key_of_our_own_is_named():
    tables = "".join(path.read_text() for path in (README.parent / "config").glob("settings*.c"))
    ours = set(re.findall(r'"(hopgate_\w+)"', tables))
    without_effect = set(re.findall(r'(?:REFUSED|NO_EFFECT)\("(hopgate_\w+)"', tables))
    named = {key for keys in named_keys(README.read_text()) for key in keys}
    assert len(ours) > 20
    assert ours - without_effect - named == set()


def test_header_rules_are_good_ones(hopgate, lab, tmp_path):
    """The example is taken as it stands, and does what its comments say."""
    text = re.search(r"## Header rules.*?```yaml\n(.*?)```", README.read_text(), re.S).group(1)
    origin = lab.origin(content=b"x")
    assert "10.0.0.11" in text
    text = text.replace("host: 10.0.0.11", f"host: 127.0.0.1\n  port: {origin.port}")
    (tmp_path / "rules.yaml").write_text(text)
    done = hopgate("check", tmp_path / "rules.yaml")
    assert (done.code, done.err) == (0, "")
    client = lab.client(lab.hop(text, persona="edge"))
    answer = client.get("/legacy", [("Authorization", "x"), ("soapaction", "y"), ("X-Old-Tenant", "t"),
                                    ("Host", "c.test")])
    fields = origin.requests[0].fields
    assert answer.fields.get("Strict-Transport-Security") == "max-age=63072000"
    assert (fields.get("Authorization"), fields.get("X-Tenant"), fields.get("Host")) == (None, "t", "c.test")
    assert ("SOAPAction", "y") in fields and fields.get("X-Path-Taken") == "edge/legacy"
    assert fields.get("Forwarded") == "for=127.0.0.1;by=_edge1;host=c.test;proto=http"
    assert len(fields.get("X-Request-ID")) == 32


def test_every_variable_of_header_rules_is_known(hopgate, tmp_path):
    section = re.search(r"Variables: (.*?)\n\n", README.read_text(), re.S).group(1)
    names = [name.replace("<name>", "x_y") for name in re.findall(r"`([a-z_<>]+)`", section) if name != "check"]
    assert len(names) > 35
    rules = "".join(f"    - {{set: X-{i}, value: \"a${{{name}}}\"}}\n" for i, name in enumerate(names))
    (tmp_path / "all.yaml").write_text(f"_format_version: \"3.0\"\nhopgate:\n  fields:\n  - response:\n{rules}")
    assert hopgate("check", tmp_path / "all.yaml").err == ""


def test_the_stories_that_readme_tells_are_those_of_the_tests(hopgate, tmp_path):
    """The chains as they are printed, and the first line of what they end with."""
    section = re.search(r"### Two nights\n(.*?)\n## ", README.read_text(), re.S).group(1)
    stories = re.findall(r"```yaml\n(name: (\S+)\n.*?)```.*?```\n\$ hopgate lab run (.*?)\S+\.yaml\n(.*?)\n", section, re.S)
    data = README.parent / "tests" / "data" / "stories"
    assert len(stories) == 2
    for text, name, options, verdict in stories:
        chain = tmp_path / f"{name}.yaml"
        chain.write_text(text)
        for script in data.glob("server-*.yaml"):
            (tmp_path / script.name).write_text(script.read_text())
        done = hopgate("lab", "run", *options.split(), chain, deadline_s=120)
        assert done.code == 0 and done.out.splitlines()[0] == verdict, done.out + done.err
