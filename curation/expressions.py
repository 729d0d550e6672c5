"""Small expressions over columns for `--where`, `--holdout` and `--map`: nothing of Python can be reached from them.

Allowed: column names (`back-quoted` when they are no words), numbers, strings, lists; `== != < <= > >=` and chains,
`in`, `not in`; `and`, `or`, `not` (also AND, OR, NOT, `&`, `|`, `~`, and a single `=`); `+ - * / // % **`;
log, log10, exp, sqrt, abs, isnull, contains, startswith. A missing value compares as false.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.errors import LawError, nearest

Array = npt.NDArray[Any]
ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
ORDER: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
NUMERIC: Mapping[str, Callable[[Any], Any]] = {
    "log": np.log,
    "log10": np.log10,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "abs": np.abs,
}
TEXTUAL: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": lambda text, part: text.startswith(part),
}
WORDS = {"AND": "and", "OR": "or", "NOT": "not", "IN": "in", "<>": "!=", "=": "=="}
MAX_CHARS = 2_000
_PIECES = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|<>|[<>=!]=|=|\b(?:AND|OR|NOT|IN)\b")


def select(expression: str, columns: Mapping[str, Array], where: str) -> npt.NDArray[np.bool_]:
    """Return for every row whether `expression` holds; `where` opens the error messages.

    Raises: LawError for an unknown column, anything not allowed, or a result that is not true or false.
    """
    found = np.asarray(_Evaluation(columns, where).of(expression))
    num = len(next(iter(columns.values())))
    if found.dtype.kind != "b":
        raise LawError(f"{where}: `{expression}` gives no true or false, expected a comparison, e.g. N > 1e8")
    return np.broadcast_to(found, (num,)).copy()


def compute(expression: str, columns: Mapping[str, Array], where: str) -> Array:
    """Return the values of `expression` in every row.

    Raises: LawError as `select`.
    """
    found = np.asarray(_Evaluation(columns, where).of(expression))
    return np.broadcast_to(found, (len(next(iter(columns.values()))),))


class _Evaluation:
    def __init__(self, columns: Mapping[str, Array], where: str) -> None:
        self.columns, self.where = columns, where
        self.quoted: dict[str, str] = {}
        self.expression = ""

    def of(self, expression: str) -> Any:
        """Return what the expression gives: an array of a value a row, or a constant."""
        self.expression = expression
        if len(expression) > MAX_CHARS:
            raise LawError(f"{self.where}: expression of {len(expression)} characters, expected at most {MAX_CHARS}")
        try:
            tree = ast.parse(_PIECES.sub(self._plain, expression).strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise LawError(
                f"{self.where}: `{expression}` is no expression ({error}); expected e.g. D > 1e9 and source == 'c4'"
                f"{self._odd_names(expression)}"
            ) from None
        try:
            with np.errstate(all="ignore"):
                return self.value(tree.body)
        except (TypeError, ValueError, RecursionError) as error:
            raise LawError(f"{self.where}: `{expression}` cannot be computed: {error}") from None

    def _odd_names(self, expression: str) -> str:
        """Return how to write the columns of the expression whose names are no words; nothing where there are none."""
        odd = [name for name in self.columns if not name.isidentifier() and name in expression]
        return "".join(f"; write the column {name} in back-quotes: `{name}`" for name in odd)

    def _plain(self, match: re.Match[str]) -> str:
        piece = match.group()
        if piece.startswith("`"):
            name = f"_quoted_{len(self.quoted)}"
            self.quoted[name] = piece.strip("`")
            return name
        return WORDS.get(piece, piece)

    def value(self, node: ast.expr) -> Any:
        """Return what a part of the expression gives; anything that is not listed here is refused."""
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as constant):
                return constant
            case ast.Name(id=name):
                return self._column(self.quoted.get(name, name))
            case ast.BoolOp(op=op, values=parts):
                join = np.logical_and if isinstance(op, ast.And) else np.logical_or
                return join.reduce(np.broadcast_arrays(*[self._truth(part) for part in parts]))
            case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
                return ~self._truth(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -_numbers(self.value(operand))
            case ast.BinOp(left=left, op=ast.BitAnd(), right=right):
                return self._truth(left) & self._truth(right)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self._truth(left) | self._truth(right)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                return ARITHMETIC[type(op)](_numbers(self.value(left)), _numbers(self.value(right)))
            case ast.Compare():
                return self._comparison(node)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, [self.value(argument) for argument in arguments])
        raise LawError(
            f"{self.where}: `{ast.unparse(node)}` is not allowed; expected columns, numbers, strings, comparisons, "
            "and, or, not, in, arithmetic"
        )

    def _column(self, name: str) -> Any:
        if name in self.columns:
            return self.columns[name]
        if name.lower() in ("true", "false"):
            return name.lower() == "true"
        hint = self._odd_names(self.expression) or f"; {nearest(name, self.columns)}"
        raise LawError(f"{self.where}: no column `{name}`{hint}")

    def _truth(self, node: ast.expr) -> npt.NDArray[np.bool_]:
        found = np.asarray(self.value(node))
        if found.dtype.kind == "b":
            return found
        texts = {str(value) for value in found.ravel().tolist()}
        if texts <= {"True", "False", "true", "false", "1", "0", "1.0", "0.0", "None", "nan"}:
            return np.isin(found.astype(str), ["True", "true", "1", "1.0"])
        raise LawError(f"{self.where}: `{ast.unparse(node)}` is neither true nor false; compare it with something")

    def _comparison(self, node: ast.Compare) -> npt.NDArray[np.bool_]:
        left, truth = self.value(node.left), np.asarray(True)
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                if not isinstance(comparator, ast.List | ast.Tuple | ast.Set):
                    raise LawError(f"{self.where}: `in` needs a list, e.g. source in ['c4', 'rpj']")
                hits = [self._compared(ast.Eq, left, self.value(item)) for item in comparator.elts]
                found = np.any(np.stack(np.broadcast_arrays(*hits)), axis=0) if hits else np.asarray(False)
                truth = truth & (found if isinstance(op, ast.In) else ~found)
                continue
            if type(op) not in ORDER:
                raise LawError(
                    f"{self.where}: `{ast.unparse(node)}` is not allowed; to find missing values use isnull()"
                )
            right = self.value(comparator)
            truth, left = truth & self._compared(type(op), left, right), right
        return truth

    def _compared(self, op: type[ast.cmpop], left: Any, right: Any) -> npt.NDArray[np.bool_]:
        """Compare, unless no column takes part, or a text constant meets numbers: neither can choose among rows."""
        sides = [np.asarray(left), np.asarray(right)]
        if not any(side.ndim for side in sides):
            raise LawError(f"{self.where}: `{self.expression}` compares two constants{self._quotes(left, right)}")
        for text, other in (sides, sides[::-1]):
            if text.dtype.kind == "U" and not text.ndim and other.dtype.kind in "fiu" and _number_of(text) is None:
                raise LawError(
                    f"{self.where}: `{self.expression}` compares the text {str(text)!r} with numbers"
                    f"{self._quotes(left, right)}"
                )
        return _compared(ORDER[op], left, right)

    def _quotes(self, *values: Any) -> str:
        """Return the remedy where a text constant is the name of a column."""
        for value in values:
            if isinstance(value, str) and value in self.columns:
                bare = value if value.isidentifier() else f"`{value}`"
                return f"; '{value}' in quotes is text, the column is {bare}"
        return "; expected a column on one side, e.g. N > 1e8"

    def _call(self, name: str, arguments: list[Any]) -> Any:
        if name in NUMERIC and len(arguments) == 1:
            return NUMERIC[name](_numbers(arguments[0]))
        if name == "isnull" and len(arguments) == 1:
            values = np.asarray(arguments[0])
            return np.isnan(values) if values.dtype.kind == "f" else np.array([v is None for v in values.tolist()])
        if name in TEXTUAL and len(arguments) == 2:
            texts = np.asarray(arguments[0]).tolist()
            return np.array([value is not None and TEXTUAL[name](str(value), str(arguments[1])) for value in texts])
        known = [*NUMERIC, *TEXTUAL, "isnull"]
        raise LawError(f"{self.where}: no function `{name}` of {len(arguments)} arguments; {nearest(name, known)}")


def _compared(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> npt.NDArray[np.bool_]:
    """Compare as numbers where both sides can be read so, else as text; missing values give false."""
    first, second = np.asarray(left), np.asarray(right)
    if first.dtype.kind in "fiub" and second.dtype.kind in "fiub":
        sound = ~(_missing(first) | _missing(second))
        return np.asarray(operation(first, second)) & sound
    if {first.dtype.kind, second.dtype.kind} & set("fiu"):
        try:
            return _compared(operation, _numbers(left), _numbers(right))
        except ValueError:
            pass
    missing = _missing(first) | _missing(second)
    return np.asarray(operation(first.astype(str), second.astype(str))) & ~missing


def _number_of(text: Array) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None


def _missing(values: Array) -> npt.NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values))
    if values.dtype.kind == "O":
        return np.array([value is None for value in values.ravel().tolist()]).reshape(values.shape)
    return np.zeros(values.shape, bool)


def _numbers(value: Any) -> npt.NDArray[np.float64]:
    """Return float64; text that reads as numbers counts, None is NaN.

    Raises: ValueError for other text.
    """
    array = np.asarray(value)
    if array.dtype.kind == "O":
        array = np.array([float("nan") if item is None else float(item) for item in array.ravel().tolist()])
    return array.astype(np.float64)
