"""The checker of rules: what is wrong is told where it is, and what is right is left alone."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.trafficscript.check import LONGEST, MOST, check_rule
from pointsman.trafficscript.functions import function_named, functions, nearest
from pointsman.trafficscript.lexer import description, tokens

RIGHT = [
    'log.info( "a" . 1 + 2 );',
    'if( "0" ) log.info( "T" ); else log.info( "F" );',
    "$s = 'a\\nb'; log.info( string.len( $s ) );",
    "sub add( $l ) { array.push( $l, 9 ); } $a = [1]; add( $a );",
    '$h = [ "b" => 1, "a" => 2 ]; foreach( $k in array.sort( hash.keys( $h ) ) ) { log.info( $k . $h[$k] ); }',
    "for( $i = 0; $i < 3; $i++ ) { if( $i == 1 ) continue; log.info( $i ); }",
    "$i = 0; while( 1 ) { $i++; if( $i == 3 ) break; } do $i--; while( $i > 0 );",
    'switch( "ssl.x", string.startsWith ) { case "secure", "ssl": log.info( 1 ); default: log.info( 2 ); }',
    'import strict; import "odd name" as odd; import lib as other; odd.call( 1 ); other.x.y( 2 );',
    "$x = $a ? -1 : !$b; $y = ( $c = http.getPath() ) && $d;",
    "HTTP.GetPath(); # names have no case",
    '"a # no comment\nover lines"; $1 = "x\\"y";',
    "sub set.empty( $set ) { $set = []; return true; };;",
    '$s = json.serialize( [1, [ "k" => "v" ]] ); { $t = 1; }',
    "if( $a ) { break; } else if( $b ) { continue; } else { return; }",
    "",
    "# only a comment",
]


@pytest.mark.parametrize("rule", RIGHT)
def test_what_is_right_is_left_alone(rule: str) -> None:
    assert check_rule(rule) == ()


@pytest.mark.parametrize(
    ("rule", "line", "column", "severity", "said"),
    [
        ("$a = 1", 1, 6, "error", "“;” is missing"),
        ("$a = 1\n$b = 2;", 1, 6, "error", "“;” or an operator is missing"),
        ("{ log.info( 1 ) }", 1, 15, "error", "“;” is missing"),
        ("if( $a ) $b = 1 else $b = 2;", 1, 15, "error", "“;” is missing before “else”"),
        ("if( $a ) break", 1, 14, "error", "after “break”"),
        ('$a = "x', 1, 6, "error", "this string never ends"),
        ("$a = 'x;\n\n", 1, 6, "error", "close it with '"),
        ("if( $a {\n}", 1, 3, "error", "“(” is never closed"),
        ("{ ( }", 1, 3, "error", "not closed before “}” in line 1"),
        ("}", 1, 1, "error", "“}” closes nothing"),
        ("$x = ;", 1, 4, "error", "a value is missing after “=”"),
        ('http.setHeader( "a" "b" );', 1, 19, "error", "a comma"),
        ("if( 1 ) {} elsif( 2 ) {}", 1, 12, "error", "else if"),
        ("if( $a =~ 'x' ) {}", 1, 8, "error", "string.regexmatch"),
        ("/* x", 1, 1, "error", "a comment begins with #"),
        ("$a = 1; @", 1, 9, "error", "has no meaning"),
        ("sub string.len( $a ) { return 1; }", 1, 5, "error", "choose another name"),
        ("\n  htpp.getHeader( 1 );", 2, 3, "warning", "did you mean http.getHeader?"),
        ("http.getHeader();", 1, 1, "warning", "takes one argument, not 0"),
        ("http.getHeader( 1, 2 );", 1, 1, "warning", "takes one argument, not 2"),
        ("$a = path;", 1, 6, "warning", "a variable is written $path"),
    ],
)
def test_what_is_wrong_is_told_where_it_is(
    rule: str, line: int, column: int, severity: str, said: str
) -> None:
    found = [(f.line, f.column, f.severity) for f in check_rule(rule) if said in f.message]
    assert found == [(line, column, severity)], check_rule(rule)


@given(st.text(alphabet="ab.$(){}[];,\"'#\\=+-/* \n1=>é\ud800", max_size=200))
def test_any_text_is_looked_at(text: str) -> None:
    found = check_rule(text)
    assert len(found) <= MOST
    assert all(f.line >= 1 and f.column >= 1 and f.end_column > f.column for f in found)
    assert all(text[t.start : t.end] == t.text for t in tokens(text))


@pytest.mark.parametrize("piece", ["(", "(]", '"\\a', "a( ", "x1.y( ", "$a ", "''", "#"])
def test_hostile_text_takes_no_long_time(piece: str) -> None:
    started = time.process_time()
    check_rule(piece * (LONGEST // 4 // len(piece)))
    assert time.process_time() - started < 10  # a quadratic one takes minutes
    assert "not looked at" in check_rule(piece * LONGEST * 2)[0].message


def test_functions_are_found_without_regard_to_case() -> None:
    found = function_named("HTTP.getheader")
    assert found is not None
    assert found.signature == "http.getHeader( name ): string"
    assert len(functions()) > 500
    assert nearest("string.regexmach") == "string.regexmatch"
    assert nearest("nothing.like.it.at.all") == ""


def test_a_rule_says_what_it_is_for() -> None:
    assert description("\n#\n# ---- Sends robots away. ----\n# More.\n$a = 1;") == "Sends robots away."
    assert description("$a = 1; # not this") == ""
    assert description("") == ""
