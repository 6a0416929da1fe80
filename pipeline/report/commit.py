"""The git commit of a report.

A stage's output that holds a commit would differ from one commit to the next, although nothing that it is made of has
changed, and DVC would not write it anew for that: so the file on disk says how to find the commit, and the copy that
goes to an MLflow run says at which its map was trained, as the run knows it.
"""

import html

__all__ = ["UNKNOWN", "with_commit"]

UNKNOWN = (
    '<span id="commit">whose <code>dvc.lock</code> records this map (the run of its training in MLflow says which it '
    "is, and <code>git log -- dvc.lock</code> lists all)</span>"
)


def with_commit(page: str, commit: str | None, edited: bool = False) -> str:
    """A report that says the commit of its map, and whether code or params differed from it; None: it stays as it is.

    Example:
        >>> with_commit(f"Commit {UNKNOWN}.", "1f3a")
        'Commit <code id="commit">1f3a</code>.'
    """
    if commit is None:
        return page
    besides = ", with edits that were not committed" if edited else ""
    return page.replace(UNKNOWN, f'<code id="commit">{html.escape(commit)}</code>{besides}', 1)
