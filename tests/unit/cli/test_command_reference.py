"""The site's page of commands is made of the commands themselves when the site is built: nothing in it can go stale."""

import runpy
from pathlib import Path

from trifold.cli.verbs import VERBS

PAGE = runpy.run_path(str(Path(__file__).parents[3] / "docs" / "site_pages.py"))["commands_page"]()


def test_every_command_has_its_section_and_what_help_says_of_it() -> None:
    families = [("trifold", VERBS), *((f"trifold {verb.name}", verb.commands) for verb in VERBS)]
    for prefix, verbs in families:
        for verb in verbs:
            assert f"# {prefix} {verb.name}\n" in PAGE
            assert verb.summary in PAGE


def test_flags_stand_with_their_values_and_defaults() -> None:
    compare = PAGE[PAGE.index("## trifold compare\n") : PAGE.index("## trifold finetune\n")]
    for flag in ("--methods", "--time-limit", "--tolerance", "--test-file", "--long-text"):
        assert flag in compare
    assert "head+tail" in compare
    assert "*[default: 250]*" in compare


def test_arguments_are_named_where_they_may_be_left_out() -> None:
    assert "trifold predict [OPTIONS] RUN [SOURCE]\n" in PAGE
    assert "trifold search query [OPTIONS] INDEX [TEXT]\n" in PAGE
    assert "[ARGS]" not in PAGE
    assert "--empty-" not in PAGE
