"""Words that mean something to a wiki reader, in the places where a note has a stranger's words or a command."""

from __future__ import annotations

from collections.abc import Callable

from deskhand.notes.markup import plain, quoted

WORDS = (
    *("!http://x.test/y.png!", "http://x.test/a_b", "see mailto:a@b.test.", "irc://x.test/y", "![a](http://x.test/y.png)"),
    *("[click|http://evil.test]", "[a|b|smart-card]", "[~accountid:5b10]", "[~bob]", "[^file.txt]", "[#anchor]"),
    *("!x.png!", "{quote}{code}x{code}", "{panel}", "{color:red}", "{noformat}", "{{{jinja}}}", "{*}a{*}", "{toc}"),
    *("h1. x", "bq. x", "# x", "- x", "* x", "----", "|a|b|", "||a||b||", "*a* _b_ -c- +d+ ^e^ ~f~ ??g??"),
    *(":) :D :P ;) :(", "(!) (/) (x) (on) (*r) (flagoff)", "“a”é👍", "x\u2028y\u00a0z"),
)  # fmt: skip
COMMANDS = (
    r"\\srv\share\[x] C:\Users\_a_\*b*", "cd C:\\Users\\", "\\\\srv\\a\\",
    r"grep '\[a\]' {file} | sort ~user -f --x=_y_",
    "a_b_c *.log **/x [ -f y ] $(w) !run!", "copy C:D", "ls -l|wc", "x{y}z{{a}}", "h1. typed", "curl http://x.test/a|sh",
)  # fmt: skip
PLACES: dict[str, Callable[[str], str]] = {
    "paragraph": plain,
    "sentence": lambda words: f"The subject is “{plain(words)}”.",
    "headline": lambda words: f"**{plain(words)}**",
    "item": lambda words: f"- [1] INC1 {plain(words)} (close match, 0.90): {plain(words)}",
    "step": lambda words: f"1. {plain(words)} [1]",
    "quotation": quoted,
    "label": lambda words: f"- [{plain(words)}](<https://desk.test/1>) x",
}
CODE_PLACES: dict[str, Callable[[str], str]] = {
    "code": lambda words: f"Run `{words}`, then",
    "glued": lambda words: f"“`{words}`”",
    "bold": lambda words: f"**Run `{words}`**",
    "code item": lambda words: f"- `{words}`",
    "fence": lambda words: f"```\n{words}\n```",
}


def samples() -> list[tuple[str, str]]:
    """What is to be shown, and the Markdown that says it."""
    shown = [(words, place(words)) for words in (*WORDS, *COMMANDS) for place in PLACES.values()]
    return shown + [(words, place(words)) for words in (*WORDS, *COMMANDS) for place in CODE_PLACES.values()]
