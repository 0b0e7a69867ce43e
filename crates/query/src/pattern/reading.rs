//! The text of a pattern → what a table is made of, smaller than regular expressions of all of
//! Unicode are.
//!
//! - `\d`, `\w`, `\s` and `\b` are about ASCII, as they are in Go's regular expressions: nobody
//!   means the digits of sixty scripts, which need a hundred times the table.
//! - `.`, `[^x]` and other classes with everything that is not ASCII take any byte that begins a
//!   character, and those that follow, without asking which ones may follow which. For text in
//!   UTF-8 that is the same, and two steps for ten.

use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::ast::{
    AssertionKind, Ast, ClassAscii, ClassAsciiKind, ClassBracketed, ClassPerl, ClassPerlKind,
    ClassSet, ClassSetItem, Flag, Flags, FlagsItem, FlagsItemKind, Group, GroupKind,
};
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{
    Capture, Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind,
    Repetition,
};

/// Parentheses and classes inside of each other.
const DEPTH_MAX: u32 = 50;
/// Classes of Unicode characters by name, and characters in ranges outside of ASCII. A class takes
/// 150 microseconds to be read if it ignores case, before there is an automaton to be too large.
const NAMED_MAX: u32 = 2;
const RANGED_MAX: u32 = 32 * 1024;

/// Why a pattern was not read.
pub(super) enum Unread {
    /// Not a regular expression; why.
    Wrong(String),
    /// More classes by name, or longer ranges, than it may have.
    TooManyCharacters,
}

/// Reads a pattern.
pub(super) fn read(pattern: &str) -> Result<Hir, Unread> {
    let mut parser = ParserBuilder::new().nest_limit(DEPTH_MAX).build();
    let mut ast = parser.parse(pattern).map_err(|error| Unread::Wrong(error.kind().to_string()))?;
    let mut reader = Reader { named: 0, ranged: 0, asks_for_words: false };
    reader.tree(&mut ast);
    if reader.named > NAMED_MAX || reader.ranged > RANGED_MAX {
        return Err(Unread::TooManyCharacters);
    }
    let mut translator = TranslatorBuilder::new().utf8(false).build();
    let read = translator.translate(pattern, &ast);
    let hir = read.map_err(|error| Unread::Wrong(error.kind().to_string()))?;
    // Between the bytes of a character there is no end of a line, but to `\B` it is a place like
    // any other.
    Ok(if reader.asks_for_words { hir } else { in_bytes(hir) })
}

struct Reader {
    named: u32,
    ranged: u32,
    /// Whether it has `\b` or one of its like.
    asks_for_words: bool,
}

impl Reader {
    fn tree(&mut self, ast: &mut Ast) {
        match ast {
            Ast::ClassPerl(class) => {
                let kind = ClassSet::Item(ClassSetItem::Ascii(ascii(class)));
                *ast =
                    Ast::class_bracketed(ClassBracketed { span: class.span, negated: false, kind });
            }
            Ast::ClassUnicode(_) => self.named += 1,
            Ast::ClassBracketed(class) => self.set(&mut class.kind),
            Ast::Assertion(assertion) => {
                if !is_edge_of_text(&assertion.kind) {
                    self.asks_for_words = true;
                    *ast = without_unicode(ast.clone());
                }
            }
            Ast::Repetition(repetition) => self.tree(&mut repetition.ast),
            Ast::Group(group) => self.tree(&mut group.ast),
            Ast::Alternation(all) => all.asts.iter_mut().for_each(|ast| self.tree(ast)),
            Ast::Concat(all) => all.asts.iter_mut().for_each(|ast| self.tree(ast)),
            Ast::Empty(_) | Ast::Flags(_) | Ast::Literal(_) | Ast::Dot(_) => {}
        }
    }

    fn set(&mut self, set: &mut ClassSet) {
        match set {
            ClassSet::Item(item) => self.item(item),
            ClassSet::BinaryOp(operation) => {
                self.set(&mut operation.lhs);
                self.set(&mut operation.rhs);
            }
        }
    }

    fn item(&mut self, item: &mut ClassSetItem) {
        match item {
            ClassSetItem::Perl(class) => *item = ClassSetItem::Ascii(ascii(class)),
            ClassSetItem::Unicode(_) => self.named += 1,
            ClassSetItem::Range(range) if !range.end.c.is_ascii() => {
                let length = u32::from(range.end.c).saturating_sub(u32::from(range.start.c));
                self.ranged = self.ranged.saturating_add(length);
            }
            ClassSetItem::Bracketed(class) => self.set(&mut class.kind),
            ClassSetItem::Union(union) => union.items.iter_mut().for_each(|item| self.item(item)),
            ClassSetItem::Empty(_)
            | ClassSetItem::Literal(_)
            | ClassSetItem::Ascii(_)
            | ClassSetItem::Range(_) => {}
        }
    }
}

fn ascii(class: &ClassPerl) -> ClassAscii {
    let kind = match class.kind {
        ClassPerlKind::Digit => ClassAsciiKind::Digit,
        ClassPerlKind::Space => ClassAsciiKind::Space,
        ClassPerlKind::Word => ClassAsciiKind::Word,
    };
    ClassAscii { span: class.span, kind, negated: class.negated }
}

/// Whether it is about lines and texts, not about words.
fn is_edge_of_text(kind: &AssertionKind) -> bool {
    use AssertionKind::{EndLine, EndText, StartLine, StartText};
    matches!(kind, EndLine | EndText | StartLine | StartText)
}

fn without_unicode(ast: Ast) -> Ast {
    let span = *ast.span();
    let item = |kind| FlagsItem { span, kind };
    let off = [FlagsItemKind::Negation, FlagsItemKind::Flag(Flag::Unicode)].map(item);
    let flags = Flags { span, items: off.into() };
    Ast::group(Group { span, kind: GroupKind::NonCapturing(flags), ast: Box::new(ast) })
}

/// The same, with classes of bytes where that is the same.
fn in_bytes(hir: Hir) -> Hir {
    match hir.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => Hir::literal(literal.0),
        HirKind::Class(Class::Unicode(class)) => of_class(class),
        HirKind::Class(class) => Hir::class(class),
        HirKind::Look(look) => Hir::look(look),
        HirKind::Repetition(mut repetition) => {
            repetition.sub = Box::new(in_bytes(*repetition.sub));
            Hir::repetition(repetition)
        }
        // Nobody asks what was captured.
        HirKind::Capture(Capture { sub, .. }) => in_bytes(*sub),
        HirKind::Concat(parts) => Hir::concat(parts.into_iter().map(in_bytes).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.into_iter().map(in_bytes).collect()),
    }
}

fn of_class(class: ClassUnicode) -> Hir {
    let has_all_others = class
        .ranges()
        .last()
        .is_some_and(|last| last.start() <= '\u{80}' && last.end() == char::MAX);
    if !has_all_others {
        return Hir::class(Class::Unicode(class));
    }
    let ascii = ClassUnicode::new([ClassUnicodeRange::new('\0', '\u{7F}')]);
    let mut alone = class;
    alone.intersect(&ascii);
    let bytes = |ranges: Vec<ClassBytesRange>| Hir::class(Class::Bytes(ClassBytes::new(ranges)));
    let range =
        |range: &ClassUnicodeRange| ClassBytesRange::new(range.start() as u8, range.end() as u8);
    let mut first: Vec<ClassBytesRange> = alone.ranges().iter().map(range).collect();
    first.push(ClassBytesRange::new(0xC0, 0xFF));
    // That nothing follows a letter of ASCII goes without saying.
    let follow = Hir::repetition(Repetition {
        min: 0,
        max: None,
        greedy: true,
        sub: Box::new(bytes(vec![ClassBytesRange::new(0x80, 0xBF)])),
    });
    Hir::concat(vec![bytes(first), follow])
}
