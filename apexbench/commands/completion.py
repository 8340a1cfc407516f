"""Completion of the command line in a shell."""

import argparse

from apexbench.errors import InputError, nearest

HELP = 'print a script for bash or zsh that completes commands and names: eval "$(apexbench completion bash)"'
_SHELLS = ("bash", "zsh")
# words stand on lines of their own; names of studies and methods are looked up where the user is
_SCRIPT = """\
_apexbench() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="{commands} --help --version"
  else
    case "${{COMP_WORDS[1]}}" in
{options}
    esac
    case "${{COMP_WORDS[1]}}" in
      run|report|checklist|cite)
        words="$words $(cd config/studies 2>/dev/null && ls *.yaml 2>/dev/null | sed 's/[.]yaml$//')"
        words="$words $(cd results 2>/dev/null && ls -d */study.yaml 2>/dev/null | sed 's/[/]study[.]yaml$//')" ;;
      list) [ "$COMP_CWORD" -eq 2 ] && words="$words methods protocols tables datasets studies recipes" ;;
      export) [ "$COMP_CWORD" -eq 2 ] && words="$words {layouts}" ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _apexbench apexbench
"""
_ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", help="bash or zsh")


def run(wanted: argparse.Namespace) -> int:
    """Print the script."""
    if wanted.shell not in _SHELLS:
        raise InputError(f"completion: unknown shell {wanted.shell!r}; {nearest(wanted.shell, _SHELLS)}")
    print(_ZSH * (wanted.shell == "zsh") + script(), end="")
    return 0


def script() -> str:
    """Return the script for bash, from the parsers as they are."""
    from apexbench.cli import COMMANDS, module
    from apexbench.export import LAYOUTS

    lines = []
    for command in COMMANDS:
        parser = argparse.ArgumentParser()
        module(command).arguments(parser)
        long = [word for action in parser._actions for word in action.option_strings if word.startswith("--")]
        lines.append(f'      {command}) words="{" ".join(long)}" ;;')
    return _SCRIPT.format(commands=" ".join(COMMANDS), options="\n".join(lines), layouts=" ".join(LAYOUTS))
