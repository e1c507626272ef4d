"""The checks of tools/ must be able to fail: a small tree with one fault each."""
import pathlib
import shutil
import subprocess

import pytest

TOOLS = pathlib.Path(__file__).parents[2] / "tools"
ROLE = "/*\n * x: a thing.\n *\n * Role    none\n */\n"


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tools").mkdir()
    shutil.copy(TOOLS / "layers.txt", tmp_path / "tools")
    write(tmp_path, "core/good.h", ROLE)
    return tmp_path


def write(tree, name, text):
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def check(tree, script):
    return subprocess.run(["/usr/bin/python3", TOOLS / script, tree], capture_output=True, text=True)


@pytest.mark.parametrize("name, include", [
    ("core/a.c", '"lb/x.h"'), ("tls/a.c", '"config/x.h"'), ("config/a.c", '"lb/x.h"'), ("proxy/a.c", '"tools/x.h"'),
    ("core/a.c", '"good.h"'), ("tls/a.c", '"core/secret_priv.h"'), ("core/a.c", '"core/nowhere.h"'),
    ("core/buf.c", "<liburing.h>"), ("proxy/a.c", "<openssl/ssl.h>"), ("core/a.c", "<yaml.h>"),
])
def test_layer_violation_is_named(tree, name, include):
    for header in ("lb/x.h", "config/x.h", "tools/x.h", "core/secret_priv.h"):
        write(tree, header, ROLE)
    write(tree, name, f"#include {include}\n")
    done = check(tree, "check_layers.py")
    assert done.returncode == 1
    assert done.stdout.startswith(f"{name}:1: #include {include}: ")


@pytest.mark.parametrize("name, text", [
    ("core/ring.c", '#include <liburing.h>\n#include "core/good.h"\n'), ("tls/a.c", "#include <openssl/ssl.h>\n"),
    ("tests/unit/lb/a.c", '#include "core/secret_priv.h"\n'),
])
def test_allowed_includes_pass(tree, name, text):
    write(tree, "core/secret_priv.h", ROLE)
    write(tree, name, text)
    done = check(tree, "check_layers.py")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name, text", [
    ("core/a.c", "    strcpy(a, b);\n"), ("core/a.c", "    int n = atoi(text);\n"), ("core/a.h", "#define A 1\n"),
    ("lb/a.c", "typedef struct thing thing;\n"), ("tests/unit/core/test_a.c", "    usleep(1);\n"),
    ("tests/integration/test_a.py", "    time" ".sleep(1)\n"), ("core/a.c", "\n" * 801),
    ("core/a.c", "int f(void)\n{\n" + "    g();\n" * 120 + "}\n"),
])
def test_style_error_is_named(tree, name, text):
    write(tree, name, text)
    done = check(tree, "check_style.py")
    assert done.returncode == 1
    assert done.stdout.startswith(f"{name}:") or f"\n{name}:" in done.stdout, done.stdout


def test_comments_and_strings_are_no_calls(tree):
    write(tree, "core/a.c", '/* strcpy(a, b) */\nconst char *a = "sprintf(";\n')
    assert check(tree, "check_style.py").returncode == 0


def test_exception_needs_a_file_that_still_needs_it(tree):
    write(tree, "core/a.c", "\n" * 900)
    write(tree, "tools/style_exceptions.txt", "core/a.c a table\n")
    assert check(tree, "check_style.py").returncode == 0
    write(tree, "core/a.c", "\n")
    assert check(tree, "check_style.py").returncode == 1
