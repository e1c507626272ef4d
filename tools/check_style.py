#!/usr/bin/python3
"""Checks what a compiler does not: lengths, banned calls, sleeps in tests, role comments.

Usage: tools/check_style.py [DIRECTORY]     exit 0 (warnings are only listed), or 1 with the errors

Lengths above the first limit are warnings, above the second errors, unless tools/style_exceptions.txt
names the file or function with a reason. A sleep in a test is an error unless its line says why:
`time.sleep(gap)  # pace: the behaviour under test is slow sending`.
"""
import pathlib
import re
import sys

FILE_LINES_WARN, FILE_LINES_MAX = 600, 800
FUNCTION_LINES_WARN, FUNCTION_LINES_MAX = 60, 120
C_FOLDERS = ("core", "tls", "lb", "config", "proxy", "tools", "tests")
PRODUCT_FOLDERS = ("core", "tls", "lb", "config", "proxy")

BANNED_CALL = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|alloca)\s*\(")
C_SLEEP = re.compile(r"\b(sleep|usleep|nanosleep|clock_nanosleep)\s*\(")
PYTHON_SLEEP = re.compile(r"\btime\.sleep\(")
TYPEDEF = re.compile(r"^\s*typedef\s+(struct|union|enum)\b")
COMMENTS_AND_STRINGS = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
FUNCTION_NAME = re.compile(r"(\w+)\s*\(")


def blank(match):
    """Keeps line numbers: only the newlines of a comment survive."""
    return "".join("\n" if c == "\n" else " " for c in match.group(0))


class Report:
    def __init__(self, exceptions):
        self.exceptions = exceptions
        self.errors, self.warnings, self.used = [], [], set()

    def error(self, where, what):
        self.errors.append(f"{where}: error: {what}")

    def length(self, where, key, lines, limits, what):
        """limits: (warn above, error above)."""
        if lines <= limits[0]:
            return
        text = f"{where}: {what} has {lines} lines, the aim is {limits[0]}"
        if key in self.exceptions:
            self.used.add(key)
            self.warnings.append(f"{text} (excepted: {self.exceptions[key]})")
        elif lines > limits[1]:
            self.errors.append(f"{text}, the limit {limits[1]}")
        else:
            self.warnings.append(text)


def read_exceptions(path):
    """Lines `path[:function]  reason`; # starts a comment."""
    exceptions = {}
    if path.is_file():
        for line in path.read_text().splitlines():
            key, _, reason = line.strip().partition(" ")
            if key and not key.startswith("#"):
                exceptions[key] = reason.strip()
    return exceptions


def functions_of_c(lines):
    """Yields (name, first line, line count): clang-format puts a function's braces in column 0."""
    start, name = None, None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
            head = " ".join(lines[max(0, number - 6):number - 1])
            head = head[max(head.rfind(";"), head.rfind("}")) + 1:]
            names = FUNCTION_NAME.findall(head)
            name = names[0] if names else "?"
        elif line.startswith("}") and start:
            yield name, start, number - start + 1
            start = None


def functions_of_python(lines):
    """Yields (name, first line, line count) of every def, up to the next line not indented deeper."""
    for number, line in enumerate(lines, 1):
        match = re.match(r"(\s*)def (\w+)", line)
        if not match:
            continue
        indent, end, head_open = len(match.group(1)), number, True
        for later, text in enumerate(lines[number - 1:], number):
            if head_open:
                head_open = not text.rstrip().endswith(":")
            elif text.strip() and len(text) - len(text.lstrip()) <= indent:
                break
            if text.strip():
                end = later
        yield match.group(2), number, end - number + 1


def check_c(report, name, text):
    code = COMMENTS_AND_STRINGS.sub(blank, text)
    in_tests = name.startswith("tests/")
    for number, line in enumerate(code.splitlines(), 1):
        where = f"{name}:{number}"
        if match := BANNED_CALL.search(line):
            report.error(where, f"{match.group(1)}() is banned: use a bounded or checked call")
        if in_tests and (match := C_SLEEP.search(line)):
            report.error(where, f"{match.group(1)}() in a test: wait for the event, with a deadline")
        if TYPEDEF.match(line):
            report.error(where, "no typedef for a struct, union or enum")
    if name.endswith(".h") and name.split("/")[0] in PRODUCT_FOLDERS:
        first_comment = text.partition("*/")[0]
        if not text.startswith("/*") or not re.search(r"^ \* Role\b", first_comment, re.M):
            report.error(f"{name}:1", "a header starts with its role comment (Role, Owns, Thread)")


def check_python(report, name, lines):
    if not name.startswith("tests/"):
        return
    for number, line in enumerate(lines, 1):
        if PYTHON_SLEEP.search(line) and "# pace:" not in line:
            report.error(f"{name}:{number}", "time.sleep() in a test: wait for the event, with a deadline")


def check_file(report, root, path):
    name = path.relative_to(root).as_posix()
    text = path.read_text()
    lines = text.splitlines()
    is_c = path.suffix in (".c", ".h")
    report.length(name, name, len(lines), (FILE_LINES_WARN, FILE_LINES_MAX), "the file")
    functions = functions_of_c(lines) if is_c else functions_of_python(lines)
    for function, start, count in functions:
        report.length(f"{name}:{start}", f"{name}:{function}", count,
                      (FUNCTION_LINES_WARN, FUNCTION_LINES_MAX), f"{function}()")
    if is_c:
        check_c(report, name, text)
    else:
        check_python(report, name, lines)


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent).resolve()
    exceptions = read_exceptions(root / "tools" / "style_exceptions.txt")
    report = Report(exceptions)
    count = 0
    for folder in C_FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".c", ".h", ".py") and path.is_file():
                count += 1
                check_file(report, root, path)
    for key in sorted(set(exceptions) - report.used):
        report.error("tools/style_exceptions.txt", f"{key} needs no exception any more")
    for line in report.warnings + report.errors:
        print(line)
    print(f"style: {count} files, {len(report.errors)} errors, {len(report.warnings)} warnings")
    return 1 if report.errors or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
