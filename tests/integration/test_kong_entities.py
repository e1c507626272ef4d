"""Numbers of a service, and what `check` says of others: Kong's words (kong/db/schema/init.lua), with the place."""
import pytest

from lab.lab import service_to

BETWEEN = {"connect_timeout": (1, 2147483646), "write_timeout": (1, 2147483646), "read_timeout": (1, 2147483646),
           "retries": (0, 32767)}


def check(hopgate, tmp_path, key, text):
    (tmp_path / "kong.conf").write_text(f"prefix = {tmp_path}\nadmin_listen = off\n")
    (tmp_path / "kong.yaml").write_text(f'_format_version: "3.0"\nservices:\n- name: a\n  host: a.test\n  {key}: {text}\n')
    return hopgate("check", "-c", tmp_path / "kong.conf", tmp_path / "kong.yaml")


@pytest.mark.parametrize("key", BETWEEN)
def test_numbers_of_a_service(hopgate, tmp_path, key):
    least, most = BETWEEN[key]
    for value in (least, 1000, most):
        done = check(hopgate, tmp_path, key, value)
        assert done.code == 0, done
    for value, says in [(least - 1, f"value should be between {least} and {most}"),
                        (most + 1, f"value should be between {least} and {most}"),
                        (-1, f"value should be between {least} and {most}"),
                        (9223372036854775807, f"value should be between {least} and {most}"),
                        ('"5"', "expected an integer"), ("1.5", "expected an integer"), ("true", "expected an integer"),
                        ("[1]", "expected an integer")]:
        done = check(hopgate, tmp_path, key, value)
        assert done.code == 78, done
        assert f"kong.yaml:5:{len(key) + 5}: error: services[0].{key}: {says}" in done.out + done.err, (value, done)


def test_longest_times_and_most_retries_are_taken(lab):
    most = {key: most for key, (_, most) in BETWEEN.items()}
    kong = lab.hop(service_to(lab.origin(content=b"here"), **most), persona="kong")
    assert lab.client(kong).get("/").content == b"here"
