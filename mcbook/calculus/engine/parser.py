r"""Reading expressions as they are written in NumPy.

    statements  = { name "=" sum (";" | newline) }  sum
    sum         = product { ("+" | "-") product }
    product     = unary { ("*" | "/" | "@") unary }
    unary       = ("+" | "-") unary | power
    power       = postfix [ "**" unary ]
    postfix     = atom { "." name [ arguments ] | "[" key [ "," key ] "]" }
    key         = index | [ index ] ":" [ index ] | "None"     (of neighbours: a step other than 1 is refused)
    index       = [ "-" ] whole number
    atom        = number | name | call | "(" sum ")"
    call        = name { "." name } arguments

Precedence is Python's.  `Y = X @ W.T` gives an intermediate a name; np., jnp. and their submodules may stand
before a function.  A vector is a column: a @ b.T is the outer product (NumPy, which turns no vector, reads it
as a @ b), and an array of shape (n, 1) is a vector too.  The text is read, never run: nothing in it can do
anything but name an expression.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from mcbook.calculus.engine import remedies
from mcbook.calculus.engine.algebra import as_expr, power, times, transpose
from mcbook.calculus.engine.nodes import Expr, let, require_distinct_names
from mcbook.calculus.engine.notation import METHODS, PRODUCTS, WORDS
from mcbook.calculus.engine.picking import item
from mcbook.calculus.engine.tokens import ParseError, Token, tokenise

_MODULES = {
    "np",
    "jnp",
    "numpy",
    "jax",
    "nn",
    "linalg",
    "special",
    "scipy",
    "math",
    "torch",
    "sp",
    "functional",
}
_SUMS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b}


def parse(text: Any, *symbols: Any, **named: Any) -> Expr:
    """The expression that a text in NumPy's notation stands for.

    symbols  the symbols that may occur in it, known by their own names
    named    further expressions or numbers by other names: parse("x.T @ A @ x", x, A=B + C)

    Raises ParseError, a ValueError that points at the column, for what is no expression, for a name or a
    function that is not known, and for shapes that do not fit.
    """
    if not isinstance(text, str) or not all(isinstance(s, Expr) and s.name for s in symbols):
        raise ValueError(f"parse takes a text and the symbols in it, got {text!r} and {symbols!r}.")
    require_distinct_names(*(s for s in symbols if s.op == "symbol"))
    known = {s.name: s for s in symbols} | {name: as_expr(value) for name, value in named.items()}
    try:
        return _Reader(text, known).statements()
    except RecursionError:
        raise ParseError("brackets within brackets, too deep to read: name what is inside", text, 0) from None


class _Reader:
    """Recursive descent over the tokens, one method for each line of the grammar."""

    def __init__(self, text: str, known: Mapping[str, Expr]):
        self.text, self.known = text, dict(known)
        self.tokens = tokenise(text)
        self.k = 0

    # Tokens

    @property
    def token(self) -> Token:
        return self.tokens[self.k]

    def take(self) -> Token:
        token = self.token
        self.k = min(self.k + 1, len(self.tokens) - 1)
        return token

    def accept(self, *signs: str) -> Token | None:
        return self.take() if self.token.kind in ("sign", "end") and self.token.text in signs else None

    def expect(self, sign: str) -> Token:
        found = self.accept(sign)
        if found is None:
            raise self.error(
                f"expected {sign!r}, found {self.token.text!r}" if self.token.text else f"expected {sign!r}",
                self.token,
            )
        return found

    def error(self, message: str, token: Token) -> ParseError:
        return ParseError(message, self.text, token.at)

    def built(self, build: Callable[..., Expr], token: Token, *args: Any, **options: Any) -> Expr:
        """An expression from its parts; a ValueError becomes a ParseError at the token."""
        try:
            return build(*args, **options)
        except ParseError:
            raise
        except ValueError as problem:
            between = token.text in ("@", "*", "+", "-")
            fits = remedies.fitting(args[0], args[1], token.text) if between else ""
            raise self.error(f"{problem}{fits}", token) from problem
        except TypeError as problem:
            told = remedies.signature(token.text, build, len(args), options)
            raise self.error(told, token) from problem

    def nothing_between(self) -> None:
        """Raises where two things stand side by side."""
        before, after = self.tokens[self.k - 1], self.token
        if after.text == "(" and before.kind == "name" and before.text in self.known:
            raise self.error(f"{before.text} is no function: write {before.text} @ (…) or * (…)", after)
        if after.kind in ("name", "number") or after.text in ("(", "["):
            raise self.error(remedies.missing_operation(before.text, after.text), after)

    # The grammar

    def statements(self) -> Expr:
        while True:
            while self.accept(";", "\n"):
                pass
            if self.token.kind == "name" and self.tokens[self.k + 1].text == "=":
                name = self.take()
                if self.tokens[self.k + 1].text == "=":
                    raise self.error(remedies.of_character("="), self.token)
                if name.text in self.known:
                    raise self.error(f"{name.text} has a meaning already", name)
                self.expect("=")
                self.known[name.text] = self.built(let, name, name.text, self.sum())
                self.nothing_between()
                if not self.accept(";", "\n"):
                    raise self.error("after the definitions, the expression itself is missing", self.token)
                continue
            value = self.sum()
            while self.accept(";", "\n"):
                pass
            if self.token.kind != "stop":
                self.nothing_between()
                raise self.error(f"{self.token.text!r} is left over", self.token)
            return value

    def sum(self) -> Expr:
        left = self.product()
        while sign := self.accept("+", "-"):
            right = self.product()
            left = self.built(_SUMS[sign.text], sign, left, right)
        return left

    def product(self) -> Expr:
        left = self.unary()
        while sign := self.accept("*", "/", "@"):
            left = self.built(PRODUCTS[sign.text], sign, left, self.unary())
        return left

    def unary(self) -> Expr:
        if sign := self.accept("-", "+"):
            inside = self.unary()
            return times(-1, inside) if sign.text == "-" else inside
        return self.power()

    def power(self) -> Expr:
        base = self.postfix()
        sign = self.accept("**")
        return self.built(power, sign, base, self.unary()) if sign else base

    def postfix(self) -> Expr:
        value = self.atom()
        while mark := self.accept(".", "["):
            if mark.text == "[":
                value = self.built(item, mark, value, self.keys(mark))
                continue
            name = self.take()
            if name.text == "T":
                value = transpose(value)
                if self.token.text == "(":
                    raise self.error(".T takes no brackets", self.token)
            elif name.text == "shape":
                value = as_expr(value.shape[self.index()])
            elif name.text in METHODS:
                value = self.call(name, value)
            else:
                raise self.error(remedies.of_method(name.text, METHODS, WORDS), name)
        return value

    def keys(self, bracket: Token) -> tuple[Any, ...]:
        """What stands in square brackets, as Python would hand it on."""
        found = [self.key(bracket)]
        while self.accept(","):
            found.append(self.key(bracket))
        if self.token.kind == "stop":
            raise self.error("the square bracket is never closed", bracket)
        self.expect("]")
        return tuple(found)

    def key(self, bracket: Token) -> Any:
        start = self.whole(bracket)
        if not self.accept(":"):
            if start is None and not (self.token.text == "None" and self.take()):
                raise self.error("expected an index, 0, 1, … or -1, or a slice such as 1:3", self.token)
            return start
        stop = self.whole(bracket)
        return slice(start, stop, self.whole(bracket) if self.accept(":") else None)

    def whole(self, bracket: Token) -> int | None:
        """A whole number, if one stands there."""
        if self.token.kind == "sign" and self.token.text != "-":
            return None
        if self.token.text == "None":
            return None
        minus = self.accept("-")
        token = self.take()
        if token.kind != "number" or not token.text.isdigit():
            raise self.error(f"an index is a whole number, known beforehand, got {token.text!r}", token)
        return -int(token.text) if minus else int(token.text)

    def index(self) -> int:
        """[0] or [1]: after .shape, and after slogdet."""
        self.expect("[")
        token = self.take()
        if token.text not in ("0", "1"):
            raise self.error("expected 0 or 1", token)
        self.expect("]")
        return int(token.text)

    def atom(self) -> Expr:
        token = self.take()
        if token.kind == "number":
            return as_expr(float(token.text) if re.search(r"[.eE]", token.text) else int(token.text))
        if token.text == "(":
            value = self.sum()
            self.expect(")")
            return value
        if token.kind != "name":
            raise self.error(
                f"expected an expression, found {token.text!r}" if token.text else "expected an expression",
                token,
            )
        while token.text in _MODULES and token.text not in self.known and self.accept("."):
            token = self.take()
        if self.token.text == "(" and token.text not in self.known:
            return self.call(token)
        if token.text in self.known:
            return self.known[token.text]
        raise self.error(remedies.of_name(token.text, self.known, WORDS), token)

    def call(self, name: Token, *first: Expr) -> Expr:
        if name.text not in WORDS:
            raise self.error(remedies.of_function(name.text, WORDS, self.known), name)
        args, options = self.arguments(name)
        if name.text == "slogdet" and self.index() != 1:
            raise self.error("slogdet(A)[0] is a sign and has no derivative; slogdet(A)[1] is known", name)
        return self.built(WORDS[name.text], name, *first, *args, **options)

    def arguments(self, name: Token) -> tuple[list[Expr], dict[str, int]]:
        self.expect("(")
        args: list[Expr] = []
        options: dict[str, int] = {}
        while not self.accept(")"):
            if self.token.kind == "stop":
                raise self.error(f"the bracket after {name.text} is never closed", name)
            if self.token.kind == "name" and self.tokens[self.k + 1].text == "=":
                key = self.take().text
                self.expect("=")
                options[key] = self.option()
            else:
                args.append(self.sum())
            if self.token.text != ")":
                self.nothing_between()
                if self.token.kind == "stop":
                    raise self.error(
                        f"expected ',' or ')': the bracket after {name.text} is open", self.token
                    )
                self.expect(",")
        return args, options

    def option(self) -> int:
        """A keyword's value: a whole number, True or False."""
        sign = -1 if self.accept("-") else 1
        token = self.take()
        if token.text in ("True", "False"):
            return int(token.text == "True")
        if token.kind != "number" or not token.text.isdigit():
            raise self.error("expected a whole number, True or False", token)
        return sign * int(token.text)
