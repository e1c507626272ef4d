"""Help, man pages and completions are made from one table: what one of them knows, all know."""
import pathlib
import re
import shutil
import subprocess

import pytest

HELP_VERB = re.compile(r"^  ((?:lab )?\w+) ", re.M)
HELP_OPTION = re.compile(r"^  (?:(-\w), )?(--[\w.-]+)", re.M)

SERVES = {"origin"}  # would run until it is ended, had it nothing to complain about


@pytest.fixture
def words(hopgate):
    """verb -> its options, from --help; "lab pki" and its like are verbs of lab."""
    verbs = HELP_VERB.findall(hopgate("--help").out.split("verbs:\n")[1])
    assert {"run", "show", "probe", "lab", "lab up", "lab pki"} <= set(verbs)
    table = {}
    for verb in verbs:
        done = hopgate(*verb.split(), "--help")
        assert done.code == 0 and done.out.startswith(f"usage: hopgate {verb} "), done
        table[verb] = [option for pair in HELP_OPTION.findall(done.out) for option in pair if option]
    assert "--failed" in table["show"] and "--tls1.2" in table["probe"] and "-c" in table["run"]
    return table


def generated(hopgate, kind):
    done = hopgate("generate", kind)
    assert (done.code, done.err) == (0, "")
    return done.out


# ---- help --------------------------------------------------------------------------------------


def test_every_option_of_the_help_is_understood(hopgate, words):
    """The other way round holds by construction: parsers look options up in the table."""
    for verb, options in words.items():
        surplus = ["no-such-word"] if verb in SERVES else []
        for option in options:
            said = hopgate(*verb.split(), option, "x", *surplus).err
            assert f"not understood: {option}" not in said, said


def test_help_is_as_wide_as_a_terminal(hopgate, words):
    for verb in words:
        for line in hopgate(*verb.split(), "--help").out.splitlines():
            assert len(line) <= 100, (verb, line)


def test_options_that_are_not_in_the_help_are_refused(hopgate):
    for verb, option in (("why", "--limit"), ("status", "--failed"), ("run", "--json")):
        assert hopgate(verb, option, "1").code == 64


# ---- man pages ---------------------------------------------------------------------------------


def test_man_page_has_every_verb_and_option(hopgate, words):
    page = generated(hopgate, "man").replace("\\-", "-")
    sections = dict(re.findall(r"^\.SS (.+)\n((?:(?!^\.S[SH]).*\n)*)", page, re.M))
    assert set(sections) == set(words)
    for verb, options in words.items():
        for option in options:
            assert f"\\fB{option}\\fR" in sections[verb], (verb, option)
    assert "generate" not in sections


def test_page_of_the_configuration_has_every_key_that_readme_names(hopgate):
    page = generated(hopgate, "man-conf").replace("\\-", "-")
    readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
    keys = set(re.findall(r"^\| `((?:hopgate|nginx)_\w+)`", readme, re.M))
    assert len(keys) > 30
    for key in keys:
        name = key.replace("nginx_proxy_", "nginx_http_")
        assert f"\\fB{name}\\fR" in page, key
    assert re.search(r"^\\fBlog_level\\fR = \\fInotice\\fR\n.*one of: debug, info", page, re.M)


@pytest.mark.parametrize("kind", ["man", "man-conf", "man-entities"])
def test_man_page_has_no_mistake_for_roff(hopgate, tmp_path, kind):
    """Only what is installed is run: mandoc's lint, else groff's warnings."""
    path = tmp_path / "page"
    path.write_text(generated(hopgate, kind))
    if shutil.which("mandoc"):
        done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], capture_output=True, text=True, check=False)
        # a date would have to be kept, or differ in each build
        assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []
    elif shutil.which("groff"):
        done = subprocess.run(["groff", "-k", "-man", "-Tutf8", "-ww", "-z", path], capture_output=True, text=True,
                              check=False)
        assert (done.returncode, done.stderr) == (0, "")
    else:
        pytest.skip("not run: neither mandoc nor groff is installed")


# ---- completions -------------------------------------------------------------------------------


@pytest.fixture
def complete(hopgate, tmp_path):
    """What bash offers for a line that ends at the cursor."""
    script = tmp_path / "hopgate.bash"
    script.write_text(generated(hopgate, "bash"))
    driver = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hopgate; '
              'printf "%s\\n" "${COMPREPLY[@]}"')

    def offers(*line):
        done = subprocess.run(["bash", "-c", driver, "bash", script, "hopgate", *line], capture_output=True, text=True,
                              cwd=tmp_path, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return set(done.stdout.split("\n")) - {""}

    return offers


def test_bash_offers_every_verb_and_option(complete, words):
    verbs = {verb for verb in words if " " not in verb}
    assert complete("") == verbs | {"--help", "--version"}
    assert complete("sh") == {"show"}
    for verb, options in words.items():
        assert complete(*verb.split(), "-") == {*options, "--help"}, verb
    assert complete("no-such-verb", "-") == set()


def test_bash_offers_what_fits_the_place(complete, tmp_path):
    (tmp_path / "kong a.conf").touch()
    (tmp_path / "directory").mkdir()
    assert complete("show", "ex") == {"exchanges"}
    assert complete("lab", "") == {"up", "run", "matrix", "status", "down", "headers", "schema", "pki"}
    assert complete("run", "kong") == {"kong a.conf"}
    assert complete("run", "-c", "kong") == {"kong a.conf"}
    assert complete("status", "--prefix", "") == {"directory"}
    assert complete("lab", "pki", "") == {"directory"}
    assert complete("probe", "--timeout", "") == set()


@pytest.mark.parametrize("shell, check", [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_completion_is_good_syntax(hopgate, tmp_path, shell, check):
    path = tmp_path / shell
    path.write_text(generated(hopgate, shell))
    if not shutil.which(shell):
        pytest.skip(f"not run: {shell} is not installed")
    done = subprocess.run([shell, *check, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_know_every_option_too(hopgate, words, shell):
    text = generated(hopgate, shell)
    for verb, options in words.items():
        for option in options:
            if shell == "zsh":
                assert f"{option}[" in text or f",{option}}}'[" in text or f"{{{option}," in text, (verb, option)
            else:
                flag = f"-l {option[2:]} " if option.startswith("--") else f"-s {option[1:]} "
                first, *second = verb.split()
                seen = f"__fish_seen_subcommand_from {first}" + "".join(
                    f"; and __fish_seen_subcommand_from {word}" for word in second)
                assert re.search(rf"^complete -c hopgate -n '{re.escape(seen)}'.* {re.escape(flag)}", text, re.M), (
                    verb, option)
