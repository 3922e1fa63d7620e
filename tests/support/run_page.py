"""Run the code cells of a page as the documentation's notebooks run: python run_page.py PAGE.

Of IPython it knows what the pages use: `!command`, `%%writefile`, and the values that it shows.
"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(?::[\w-]+:[^\n]*\n)*(.*?)^```", re.M | re.S)
SHELL = re.compile(r"^!(.*)$", re.M)


def run(page):
    """Run the cells of a page one after the other, in one namespace and in the current folder."""
    names = {"shell": shell, "__name__": "__main__"}
    for number, code in enumerate(CELL.findall(page.read_text()), 1):
        first, _, rest = code.partition("\n")
        if first.startswith("%%writefile "):
            Path(first.split()[1]).write_text(rest)
            continue
        tree = ast.parse(SHELL.sub(lambda line: f"shell({line[1]!r})", code))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, f"{page.name}, cell {number}", "exec"), names)
        if last:
            shown = eval(compile(ast.Expression(last.value), f"{page.name}, cell {number}", "eval"), names)
            print(shown._repr_html_() if hasattr(shown, "_repr_html_") else repr(shown))


def shell(command):
    """What a line with ! does, but that a command which fails ends the page."""
    subprocess.run(command, shell=True, check=True)


if __name__ == "__main__":
    os.environ |= {
        "MPLBACKEND": "Agg",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    run(Path(sys.argv[1]).resolve())
