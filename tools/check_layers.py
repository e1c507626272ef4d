#!/usr/bin/python3
"""Checks every #include against tools/layers.txt: who may include whom, and where a library may be seen.

Usage: tools/check_layers.py [DIRECTORY]     exit 0, or 1 with one line per violation
"""
import fnmatch
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


def read_rules(path):
    """Returns ({folder: folders it may include}, {library header: path patterns of its home})."""
    sections = {"layers": {}, "libraries": {}}
    section = None
    for line in path.read_text().splitlines():
        if line.strip() in sections:
            section = sections[line.strip()]
        elif section is not None and ":" in line:
            name, _, rest = line.partition(":")
            section[name.strip()] = rest.split()
    return sections["layers"], sections["libraries"]


def check_project_header(root, name, included, layers):
    """What is wrong with `name` (a path below root) including "included", or None."""
    folder = name.split("/")[0]
    if "/" not in included:
        return f'write the folder: "{folder}/.../{included}"'
    owner = included.split("/")[0]
    if owner != folder and owner not in layers[folder]:
        allowed = " ".join(layers[folder]) or "nothing"
        return f"{folder} may include {allowed}, not {owner}"
    if included.endswith("_priv.h") and owner != folder and folder != "tests":
        return f"a private header of {owner}; only {owner} and tests may include it"
    if not (root / included).is_file():
        return "no such file"
    return None


def check_library_header(name, included, libraries):
    """What is wrong with `name` including <included>, or None."""
    for library, homes in libraries.items():
        matches = included.startswith(library) if library.endswith("/") else included == library
        patterns = [home + "*" if home.endswith("/") else home for home in homes]
        if matches and not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            return f"<{included}> belongs in {', '.join(homes)} only"
    return None


def check_file(root, path, layers, libraries):
    name = path.relative_to(root).as_posix()
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        if match.group(1):
            problem = check_project_header(root, name, match.group(1), layers)
        else:
            problem = check_library_header(name, match.group(2), libraries)
        if problem:
            yield f"{name}:{number}: {line.strip()}: {problem}"


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent).resolve()
    layers, libraries = read_rules(root / "tools" / "layers.txt")
    problems = []
    count = 0
    for folder in layers:
        for path in sorted((root / folder).rglob("*.[ch]")):
            count += 1
            problems += check_file(root, path, layers, libraries)
    for problem in problems:
        print(problem)
    print(f"layers: {count} files, {len(problems)} violations")
    return 1 if problems or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
