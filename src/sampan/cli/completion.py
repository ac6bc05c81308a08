"""`completion bash | zsh | fish`: short scripts that ask `sampan __complete` what may stand next."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sampan.cli.command import Command, Invocation
from sampan.cli.errors import UsageError
from sampan.cli.flags import Flag

BASH = """# bash completion for NAME
_NAME_complete() {
    local IFS=$'\\n'
    COMPREPLY=($(NAME __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/] ]] && compopt -o nospace
    __ltrim_colon_completions "${COMP_WORDS[COMP_CWORD]}" 2>/dev/null || true
}
complete -o default -F _NAME_complete NAME
"""
ZSH = """#compdef NAME
compdef _NAME NAME
_NAME() {
    local -a found
    found=("${(@f)$(NAME __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    compadd -Q -- ${found:#}
}
if [ "$funcstack[1]" = "_NAME" ]; then _NAME "$@"; fi
"""
FISH = """# fish completion for NAME
function __NAME_complete
    set -l words (commandline -opc) (commandline -ct)
    NAME __complete -- $words[2..-1] 2>/dev/null
end
complete -c NAME -f -a '(__NAME_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def run(call: Invocation) -> int:
    if not call.args:
        raise UsageError("Shell not specified.")
    if len(call.args) > 1:
        raise UsageError("Too many arguments. Expected only the shell type.")
    shell = call.args[0]
    script = SCRIPTS.get(shell)
    if script is None:
        raise UsageError(f'Unsupported shell type "{shell}".')
    text = script.replace("NAME", "sampan")
    if not call.flags["install"]:
        call.out.write(text)
        return 0
    file = place(shell, os.environ, Path.home())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    call.out.write(f"{file} written. {HOW[shell].replace('FOLDER', str(file.parent))}\n")
    return 0


HOW = {
    "bash": "A new shell has it (with the package bash-completion; without it: source that file in ~/.bashrc).",
    "zsh": "A new shell has it if ~/.zshrc says, before compinit: fpath+=(FOLDER)",
    "fish": "A new shell has it.",
}


def place(shell: str, environment: Mapping[str, str], home: Path) -> Path:
    """Where the shell looks for one user's completions."""
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    if shell == "bash":
        own = environment.get("BASH_COMPLETION_USER_DIR")
        return (Path(own) if own else data / "bash-completion") / "completions" / "sampan"
    if shell == "zsh":
        return data / "zsh" / "site-functions" / "_sampan"
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    return config / "fish" / "completions" / "sampan.fish"


COMMAND = Command(
    path="completion",
    run=run,
    summary="A completion script for your shell.",
    usage="(bash|zsh|fish)",
    flags=(Flag("install", "bool", usage="put it where the shell looks for it, instead of printing it"),),
    examples="source <(sampan completion bash)\nsampan completion bash --install",
)
