"""The launcher: ``python supervisor.py`` runs the service from a checkout.

Nothing of ours imports this file: another distribution installs a module of the same name and would shadow it.
"""

from actors.service import Supervisor, main, tree

__all__ = ["Supervisor", "main", "tree"]

if __name__ == "__main__":
    main()
