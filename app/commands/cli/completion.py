"""Completion in the shell: what bash, zsh and fish have to be told."""

from __future__ import annotations

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

PROGRAM = "openregister"
VARIABLE = "_OPENREGISTER_COMPLETE"
"""What the shell sets when it asks."""

_BASH = """\
# Completion of openregister for bash 4.4 and later: put it into
# ~/.local/share/bash-completion/completions/openregister, or `eval` it in ~/.bashrc.
%(complete_func)s() {
    local line=${COMP_LINE:0:COMP_POINT} kind value word
    local -a words found
    # Names of commands have colons, where readline would cut them: so take the line itself.
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    word=${words[-1]}
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            plain) found+=("$value") ;;
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
        esac
    done < <(COMP_WORDS="${words[*]@Q}" COMP_CWORD=$((${#words[@]} - 1)) \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
    # Up to its last colon the word is there already, and must not be repeated.
    [[ $word == *:* && $COMP_WORDBREAKS == *:* ]] && word=${word%%"${word##*:}"} || word=
    for value in "${found[@]}"; do COMPREPLY+=("${value#"$word"}"); done
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    """As click's own, but for the colons in the names of our commands."""

    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """The script names the version it needs; it may be made for another machine."""


SHELLS: dict[str, type[ShellComplete]] = {
    "bash": _Bash,
    "zsh": ZshComplete,
    "fish": FishComplete,
}


def script(root: click.Command, shell: str) -> str:
    """The script that makes `shell` ask the program how a line may go on."""
    return SHELLS[shell](root, {}, PROGRAM, VARIABLE).source().strip() + "\n"
