"""`paymon completion`: how does a shell learn to complete paymon's words?"""

import click
from click.shell_completion import get_completion_class

__all__ = ["completion"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that makes SHELL complete paymon's commands, options and names.

    \b
    bash:  paymon completion bash >> ~/.bashrc
    zsh:   paymon completion zsh >> ~/.zshrc
    fish:  paymon completion fish > ~/.config/fish/completions/paymon.fish
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"no completion for {shell}; use bash, zsh or fish")
    click.echo(found(context.find_root().command, {}, "paymon", "_PAYMON_COMPLETE").source())
