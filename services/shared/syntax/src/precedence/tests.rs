use super::*;

/// Reads single letters, `+`, `*` and `^`, and puts parentheses around what belongs together.
struct Letters<'a>(std::iter::Peekable<std::str::Chars<'a>>);

impl Operators for Letters<'_> {
    type Expr = String;
    type Op = char;
    type Error = String;

    fn operand(&mut self) -> Result<String, String> {
        match self.0.next() {
            Some('-') => Ok(format!("(-{})", climb(self, Binding::left(2).tighter())?)),
            Some(letter) if letter.is_alphabetic() => Ok(letter.to_string()),
            other => Err(format!("{other:?}")),
        }
    }

    fn operator(&mut self, min: u8) -> Result<Option<(char, Binding)>, String> {
        let Some(&op) = self.0.peek() else { return Ok(None) };
        let binding = match op {
            '+' => Binding::left(1),
            '*' => Binding::left(2),
            '^' => Binding::right(3),
            _ => return Ok(None),
        };
        if !binding.takes(min) {
            return Ok(None);
        }
        self.0.next();
        Ok(Some((op, binding)))
    }

    fn join(&mut self, lhs: String, op: char, rhs: String) -> Result<String, String> {
        Ok(format!("({lhs}{op}{rhs})"))
    }
}

fn grouped(text: &str) -> Result<String, String> {
    climb(&mut Letters(text.chars().peekable()), 0)
}

#[test]
fn stronger_operators_take_first() {
    for (text, groups) in [
        ("a", "a"),
        ("a+b+c", "((a+b)+c)"),
        ("a+b*c", "(a+(b*c))"),
        ("a*b+c", "((a*b)+c)"),
        ("a^b^c", "(a^(b^c))"),
        ("a*b^c*d", "((a*(b^c))*d)"),
        ("-a^b", "(-(a^b))"),
        ("-a*b", "((-a)*b)"),
        ("a^-b*c", "((a^(-b))*c)"),
        ("a+-b^c+d", "((a+(-(b^c)))+d)"),
    ] {
        assert_eq!(grouped(text).as_deref(), Ok(groups));
    }
}

#[test]
fn a_missing_operand_is_an_error() {
    assert_eq!(grouped("a+"), Err("None".to_owned()));
    assert_eq!(grouped("+a"), Err("Some('+')".to_owned()));
}
