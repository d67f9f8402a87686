"""`python -m infini_cli`: the same program as the `infini` command."""

import os
import sys

# not in a spawned child, which imports this file under another name and gets its path from its parent
if __name__ == "__main__":
    # `-m` puts the current folder first on the path: a stray click.py there would shadow the real one
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]
    # a checkout that is not installed is found through that folder alone: keep it reachable, behind the rest
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if root not in sys.path:
        sys.path.append(root)

    from infini_cli.main import run

    run()
