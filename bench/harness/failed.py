"""What fails does not end the run: who takes part is out of the workload, and its row says why."""


class Failed(Exception):
    """Somebody who takes part did not do what was asked; the text says what happened."""


ERRORS = (Failed, OSError, ValueError, LookupError)  # what a turn of somebody else may end with
of_dstream = []  # what went wrong with dstream itself: the run ends with a status for it
all_count = False  # whether the run ends so whoever failed, as with --smoke: it tries the suite itself


def reason(error):
    """One short line that does not break a table."""
    text = str(error) if isinstance(error, Failed) else "%s: %s" % (type(error).__name__, error)
    line = " ".join(text.replace("|", "/").split())
    return "failed: " + (line if len(line) <= 160 else line[:157] + "...")


def told(name, error, is_ours):
    """The reason; keeps in mind what the run is to end with a status for."""
    why = reason(error)
    print("%s %s" % (name, why), flush=True)
    if is_ours or all_count:
        of_dstream.append("%s %s" % (name, error))
    return why
