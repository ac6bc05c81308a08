"""`completion bash | zsh | fish`: short scripts that ask `sampan __complete` what may stand next."""

from __future__ import annotations

from sampan.cli.command import Command, Invocation
from sampan.cli.errors import UsageError

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
    script = SCRIPTS.get(call.args[0])
    if script is None:
        raise UsageError(f'Unsupported shell type "{call.args[0]}".')
    call.out.write(script.replace("NAME", "sampan"))
    return 0


COMMAND = Command(
    path="completion",
    run=run,
    summary="A completion script for your shell.",
    usage="(bash|zsh|fish)",
    examples="source <(sampan completion bash)",
)
