"""The one tree of errors: what went wrong, where, and what the reader can do about it.

It decides the exit code and the single line a person sees. It never logs, and never carries a secret or a traceback.
Every room raises from here; only the command line prints.

    AxiomdError               carries what · where · what to do; exit code
      InputError       2      the user's or a file's fault
        ConfigError           a configuration value, key or file
        DataContractError     market data that breaks its contract (.violations)
        OrderContractError    an order, signal or CSV that breaks its contract
        PolicyError           a promotion policy or record
        UsageError            a command line
      RefusedError     1      a check said no
        GuardRefused          a risk guard
        PromotionRefused      a gate of the promotion pipeline
        NotArmed              the kill latch is tripped
        WrongAccount          mode and account do not belong together
      PeerError        7      theirs; retried by the supervisor, an exit code only when nobody did
        BrokerRejected        the broker answered no
        BrokerUnavailable     the broker did not answer
        FeedStale             bars stopped coming
        ProtocolViolation     the peer spoke nonsense (.peer)
      StoreError       6      our own files; the latch trips
        JournalCorrupt        the journal contradicts itself
        JournalWriteFailed    the journal cannot be written (7: a failure, not a finding)
        LatchUnreadable       the latch file cannot be understood
    AssertionError            ours; the latch trips, exit code 7
"""

EXIT_OK = 0
EXIT_REFUSED = 1
EXIT_INPUT = 2
EXIT_LOCKED = 5
EXIT_JOURNAL_CORRUPT = 6
EXIT_INTERNAL = 7

PART_LENGTH_MAX = 5_000
"""Of what, where and what to do each, in characters: a path fits, and not a cell or a name of many megabytes."""

_SEPARATOR = " · "


def cut(text: str, length_max: int) -> str:
    """Give the beginning of a text that is longer, and say that it is one."""
    return text if len(text) <= length_max else f"{text[: length_max - 1]}…"


def _folded(part: object) -> str:
    return cut(" ".join(str(part).split()), PART_LENGTH_MAX)


class AxiomdError(Exception):
    """Say what went wrong, where, and what to do, in one line; subclasses fix the exit code."""

    exit_code: int = EXIT_INTERNAL

    def __init__(self, what: str, where: str = "axiomd", remedy: str = "see the manual of this command") -> None:
        self.what = _folded(what)
        self.where = _folded(where)
        self.remedy = _folded(remedy)
        super().__init__(self.what, self.where, self.remedy)

    def __str__(self) -> str:
        return _SEPARATOR.join((self.what, self.where, self.remedy))

    def line(self) -> str:
        """Return the line for stderr, without a newline: ``error: what · where · what to do``."""
        return f"error: {self}"


class InputError(AxiomdError):
    """Report what the user or a file got wrong."""

    exit_code = EXIT_INPUT


class ConfigError(InputError):
    """Report a configuration value, key or file that cannot be used."""


class DataContractError(InputError):
    """Report market data that breaks its contract; ``violations`` holds every one found, not only the first."""

    def __init__(
        self,
        what: str,
        where: str = "market data",
        remedy: str = "run axiomd data validate to list every violation",
        *,
        violations: tuple[object, ...] = (),
    ) -> None:
        super().__init__(what, where, remedy)
        self.violations = tuple(violations)


class OrderContractError(InputError):
    """Report an order, a signal or a canonical CSV that breaks its contract."""


class PolicyError(InputError):
    """Report a promotion policy or record that cannot be used."""


class UsageError(InputError):
    """Report a command line that does not make sense."""


class RefusedError(AxiomdError):
    """Report that a check said no; the world is unchanged."""

    exit_code = EXIT_REFUSED


class GuardRefused(RefusedError):
    """Report that a risk guard said no."""


class PromotionRefused(RefusedError):
    """Report that a gate of the promotion pipeline said no."""


class NotArmed(RefusedError):
    """Report that the kill latch is tripped."""


class WrongAccount(RefusedError):
    """Report a mode and an account that do not belong together."""


class PeerError(AxiomdError):
    """Report a fault of the other side, which a supervisor may retry."""


class BrokerRejected(PeerError):
    """Report that the broker answered no."""


class BrokerUnavailable(PeerError):
    """Report that the broker did not answer."""


class FeedStale(PeerError):
    """Report that bars stopped coming."""


class ProtocolViolation(PeerError):
    """Report that a peer broke the protocol; ``peer`` names it."""

    def __init__(
        self, what: str, where: str = "socket", remedy: str = "reconnect with a matching version", *, peer: str = ""
    ) -> None:
        super().__init__(what, where, remedy)
        self.peer = peer


class StoreError(AxiomdError):
    """Report a fault of our own files; the latch trips."""

    exit_code = EXIT_JOURNAL_CORRUPT


class JournalCorrupt(StoreError):
    """Report a journal that contradicts itself."""


class JournalWriteFailed(StoreError):
    """Report a journal that cannot be written."""

    exit_code = EXIT_INTERNAL


class LatchUnreadable(StoreError):
    """Report a latch file that cannot be understood."""

    exit_code = EXIT_INTERNAL
