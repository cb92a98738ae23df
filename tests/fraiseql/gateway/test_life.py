"""How the program starts and does not start."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.fraiseql.gateway.programs import PROGRAM


def ended(gateway):
    """Return the exit code and the last line of a gateway that does not start."""
    code = gateway.process.wait(20)
    return code, gateway.log.read_text().splitlines()


@pytest.mark.parametrize("side", ["bind_addr", "flight_bind_addr"])
def test_an_address_that_is_taken_is_named(start, gateway, side):
    port = gateway.port if side == "bind_addr" else gateway.flight_port
    second = start()
    second.end()
    text = second.file.read_text().replace(str(second.port if side == "bind_addr" else second.flight_port), str(port))
    second.file.write_text(text)
    second.log.write_text("")
    second.launch()
    code, lines = ended(second)
    assert code == 2
    what = f"{side}: cannot listen at 127.0.0.1:{port} (Address already in use)"
    assert lines == [f"error: {second.file}: {what}; choose another address"]


def test_a_wrong_configuration_is_one_line_and_exit_code_2(start):
    code, (line,) = ended(start(top="colour = 1"))
    assert code == 2
    assert line.startswith("error: ")
    assert "colour: is no key; remove it" in line


def test_a_wrong_schema_is_one_line_and_exit_code_2(start, tmp_path):
    (tmp_path / "broken.graphql").write_text("type Query {")
    gateway = start()
    gateway.end()
    gateway.file.write_text(
        "\n".join(
            f'schema_path = "{tmp_path / "broken.graphql"}"' if line.startswith("schema_path") else line
            for line in gateway.file.read_text().splitlines()
        )
    )
    gateway.log.write_text("")
    gateway.launch()
    code, (line,) = ended(gateway)
    assert code == 2
    assert "schema_path: " in line
    assert "broken.graphql is no valid schema" in line


def test_an_unknown_defect_is_exit_code_2(start):
    code, lines = ended(start("--defect", "unheard-of"))
    assert code == 2
    assert "'unheard-of' is none of ignores-limit, " in lines[-1]


def test_help_says_how_to_start_it():
    shown = subprocess.run([sys.executable, PROGRAM, "--help"], capture_output=True, text=True, timeout=30)
    assert shown.returncode == 0
    assert "--config FILE" in shown.stdout
