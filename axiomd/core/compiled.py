"""The one way a rule is compiled: numba with a cache on disk, no fastmath, no parallel reductions.

Both of those would let a sum depend on the machine, and a decision must not. numba is loaded when the first compiled
rule is called, not when rules are defined: it takes a sixth of a second, 50 MB with LLVM, and nothing that only knows
of rules has to wait for it. A process that runs its few rules as Python says so first, and never loads it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, TypeVar

F = TypeVar("F", bound=Callable[..., object])

Row = Any
"""One row of a structured array as compiled code sees it: its columns by name, integers and floats.

numpy has no type for it that a checker could look into; the dtypes in `board`, `guards.api`, `sizing` and `fills` say
what the columns are.
"""

_OPTIONS: Final[dict[str, Any]] = {"fastmath": False, "parallel": False, "error_model": "numpy"}

_compiles = True


class Named:
    """A module of the compiler's, loaded when something in it is first asked for."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._module), name)

    def __reduce__(self) -> tuple[type[Named], tuple[str]]:
        # a rule handed to another is kept with all it names
        return Named, (self._module,)


numba, types, cgutils = Named("numba"), Named("numba.core.types"), Named("numba.core.cgutils")
ir = Named("llvmlite.ir")


class Later:
    """What the compiler makes of a function, made when it is first called, or met in a rule that is being compiled."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @property
    def made(self) -> Any:
        """Give what the compiler knows it as. Two threads that come at once may both make it, and are given one."""
        own = self.__dict__
        # a lock could be waited for by the thread that holds the compiler's
        return own["_made"] if "_made" in own else own.setdefault("_made", self._make())

    def __call__(self, *args: object, **named: object) -> Any:
        """Call it, compiled."""
        return self.made(*args, **named)

    @property
    def _numba_type_(self) -> Any:
        """Say what it is to a rule that names it: numba asks any object for its type by this name."""
        from numba.core.registry import cpu_target

        made = self.made
        # made amid the compiling of a rule, it is newer than what the compiler looked through before it began
        cpu_target.typing_context.refresh()
        return cpu_target.typing_context.resolve_value_type(made)


class Rule(Later):
    """A compiled function; `py_func` is what it was made of, as Python runs it."""

    def __init__(self, function: Callable[..., object], **options: bool) -> None:
        super().__init__(lambda: _by_numba(function, options))
        self.py_func: Any = function
        self.__doc__ = function.__doc__
        self.__module__ = function.__module__
        self.__name__, self.__qualname__ = function.__name__, function.__qualname__

    def __call__(self, *args: object, **named: object) -> Any:
        """Call it, compiled. From then on the name it was defined by is that of the compiled function itself: the way
        through here costs a tenth of a microsecond, a fifth of what a short rule takes."""
        names = self.py_func.__globals__
        if names.get(self.__name__) is self:
            names[self.__name__] = self.made
        return self.made(*args, **named)


def run_as_python() -> None:
    """Leave every rule of this process as Python runs it. To be called before any module of rules is loaded."""
    global _compiles
    _compiles = False


def njit(function: F) -> F:
    """Compile a rule: cached, nopython, IEEE arithmetic, no bounds checks, wrap-free integer semantics of int64."""
    rule: Any = Rule(function, forceinline=True) if _compiles else function
    compiled: F = rule
    return compiled


def intrinsic(function: Callable[..., object]) -> Any:
    """Have a function write its machine code itself, as `numba.extending.intrinsic` has it; for compiled code alone."""
    return Later(lambda: numba.extending.intrinsic(function))


class _NotNegative(Later):
    """A number as it is; the compiler may count on it that it is not below zero.

    A place in an array need not be looked at for one counted from its end then, nor a quotient for its sign.
    """

    def __init__(self) -> None:
        super().__init__(lambda: numba.extending.intrinsic(_not_negative))

    def __call__(self, *args: object, **_: object) -> Any:
        """Give the number, where a rule runs as Python."""
        return args[0]


def _not_negative(_typing_context: Any, number: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        builder.assume(builder.icmp_signed(">=", args[0], ir.Constant(ir.IntType(64), 0)))
        return args[0]

    return types.int64(number), generate


not_negative: Any = _NotNegative()
carray: Any = Later(lambda: numba.carray)
"""An array over memory that something else keeps, in compiled code."""


def plain(rule: F) -> F:
    """Give a rule as Python runs it: for a few numbers that is cheaper than going over to compiled code."""
    function: F = getattr(rule, "py_func", rule)
    return function


def machine_code(made: Callable[..., Any]) -> Callable[..., Any]:
    """Give the machine code of a function that was called, without the way there, which finds out each argument's type.

    A rule that Python runs is what it is, and of one that was called with several sets of types each call is looked at.
    """
    known = [*getattr(made, "overloads", {}).values()]
    return known[0].entry_point if len(known) == 1 else made


def ready(rule: Callable[..., Any], *args: object) -> Callable[..., Any]:
    """Give the machine code of a rule, compiled for arguments like these, with which it is called once."""
    made = getattr(rule, "made", rule)
    made(*args)
    return machine_code(made)


def _by_numba(function: Callable[..., object], options: dict[str, bool]) -> Any:
    from axiomd.core.kept_code import kept

    return kept(numba.njit(**_OPTIONS, **options)(function))
