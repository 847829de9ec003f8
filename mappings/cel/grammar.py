"""The grammar of CEL, as https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax has
it, for lark's LALR parser: one way to read every text, in time that grows with its length.

Which of two signs binds closer is not told here but by `BINDS` (the parser would pass every value
through one rule per level, which takes twice the time).
"""

from __future__ import annotations

GRAMMAR = r"""
?start: expression

?expression: operation
    | operation "?" operation ":" expression      -> conditional
?operation: unary
    | operation (OR | AND) unary                  -> joined
    | operation (LESS | LESS_EQUAL | GREATER | GREATER_EQUAL) unary -> joined
    | operation (EQUAL | UNEQUAL | IN) unary      -> joined
    | operation (PLUS | MINUS | TIMES | SLASH | PERCENT) unary -> joined
?unary: member
    | NOT+ member                                 -> unary
    | MINUS+ member                               -> unary
?member: primary
    | member "." (IDENT | QUOTED)                 -> select
    | member "." IDENT LPAR [arguments] RPAR      -> member_call
    | member "[" expression RSQB                  -> index
    | member LBRACE [fields] RBRACE               -> message
?primary: [DOT] IDENT                             -> name
    | [DOT] IDENT LPAR [arguments] RPAR           -> call
    | LPAR expression RPAR                        -> group
    | LSQB [arguments] RSQB                       -> list_of
    | LSQB arguments COMMA RSQB                   -> list_of
    | LSQB COMMA RSQB                             -> list_of
    | LBRACE [entries] RBRACE                     -> map_of
    | LBRACE entries COMMA RBRACE                 -> map_of
    | LBRACE COMMA RBRACE                         -> map_of
    | INT                                         -> whole
    | UINT                                        -> unsigned
    | FLOAT                                       -> real
    | TEXT                                        -> text
    | TRUE                                        -> word
    | FALSE                                       -> word
    | NULL                                        -> word

arguments: expression
    | arguments COMMA expression
entries: entry
    | entries COMMA entry
entry: expression ":" expression
fields: IDENT ":" expression ("," IDENT ":" expression)* [COMMA]

TRUE: "true"
FALSE: "false"
NULL: "null"
IN: "in"
IDENT: /[_a-zA-Z][_a-zA-Z0-9]*/
QUOTED: /`[a-zA-Z0-9_.\-\/ ]+`/
FLOAT.2: /(?:[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)/
UINT.3: /(?:0[xX][0-9a-fA-F]+|[0-9]+)[uU]/
INT: /0[xX][0-9a-fA-F]+|[0-9]+/
TEXT.4: RAW_BLOCK | RAW | BLOCK | LINE
RAW_BLOCK: /[bB]?[rR]"{3}[\s\S]*?"{3}/ | /[bB]?[rR]'{3}[\s\S]*?'{3}/
RAW: /[bB]?[rR]"[^"\n\r]*"/ | /[bB]?[rR]'[^'\n\r]*'/
BLOCK: /[bB]?"{3}(?:[^\\]|\\[\s\S])*?"{3}/ | /[bB]?'{3}(?:[^\\]|\\[\s\S])*?'{3}/
LINE: /[bB]?"(?:[^"\\\n\r]|\\[^\n\r])*"/ | /[bB]?'(?:[^'\\\n\r]|\\[^\n\r])*'/

OR: "||"
AND: "&&"
LESS_EQUAL: "<="
LESS: "<"
GREATER_EQUAL: ">="
GREATER: ">"
EQUAL: "=="
UNEQUAL: "!="
PLUS: "+"
MINUS: "-"
TIMES: "*"
SLASH: "/"
PERCENT: "%"
NOT: "!"
DOT: "."
LPAR: "("
RPAR: ")"
LSQB: "["
RSQB: "]"
LBRACE: "{"
RBRACE: "}"
COMMA: ","

COMMENT: /\/\/[^\n]*/
SPACE: /[ \t\n\f\r]+/
%ignore COMMENT
%ignore SPACE
"""

BINDS = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!=", "in"), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%"), 5),
}
"""How close each sign binds; of equals the left one first."""
