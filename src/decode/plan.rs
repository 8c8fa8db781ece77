//! What to do with each member of an object: compiled once, run for every record.

use super::{
    column::Column,
    fault::{Fault, Found, Step},
    keys::KeyTable,
    path::{Hop, Pick, same_text},
    scanner::Scanner,
};

/// The struct whose fields are being written, and the row.
pub(super) struct Frame<'a> {
    pub(super) columns: &'a mut [Column],
    pub(super) names: &'a [String],
    pub(super) at: usize,
}

impl Frame<'_> {
    #[inline]
    fn column(&mut self, index: u32) -> Step<&mut Column> {
        self.columns.get_mut(index as usize).ok_or_else(Fault::full)
    }

    /// Casts the next value into a column.
    #[inline]
    fn cast(&mut self, index: u32, s: &mut Scanner) -> Step {
        let at = self.at;
        self.column(index)?.read(at, s).map_err(|f| f.within(self.name(index)))
    }

    /// Forgets what an earlier member of the same name wrote: the last one wins.
    fn clear(&mut self, targets: &[u32]) {
        for target in targets {
            if let Some(column) = self.columns.get_mut(*target as usize) {
                column.clear(self.at);
            }
        }
    }

    #[cold]
    fn name(&self, index: u32) -> &str {
        self.names.get(index as usize).map_or("", String::as_str)
    }
}

/// What is done with one value.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// It is cast into a column.
    Column(u32),
    /// Its text goes into a column.
    Json(u32),
    /// It is an object on the way to columns of the same struct.
    Object(ObjectPlan),
    /// It is an array, elements of which are on the way to columns of the same struct.
    Elements(ElementsPlan),
}

impl Action {
    #[inline]
    fn run(&self, s: &mut Scanner, frame: &mut Frame) -> Step {
        match self {
            Self::Column(i) => frame.cast(*i, s),
            Self::Json(i) => {
                let text = s.skip()?;
                let at = frame.at;
                let column = frame.column(*i)?;
                if text != "null" {
                    return column.put_text(at, text);
                }
                column.clear(at);
                Ok(())
            }
            Self::Object(plan) => plan.run_at(s, frame),
            Self::Elements(plan) => plan.run(s, frame),
        }
    }

    fn targets(&self, out: &mut Vec<u32>) {
        match self {
            Self::Column(i) | Self::Json(i) => out.push(*i),
            Self::Object(plan) => out.extend(&plan.targets),
            Self::Elements(plan) => out.extend(&plan.targets),
        }
    }
}

/// Runs every action on the next value.
fn run_all(actions: &[Action], s: &mut Scanner, frame: &mut Frame) -> Step {
    if let [one] = actions {
        return one.run(s, frame);
    }
    let mark = s.mark();
    for action in actions {
        s.reset(mark);
        action.run(s, frame)?;
    }
    Ok(())
}

fn targets_of<'a>(actions: impl Iterator<Item = &'a Action>) -> Box<[u32]> {
    let mut targets = Vec::new();
    actions.for_each(|a| a.targets(&mut targets));
    targets.into()
}

/// An object's members by key.
#[derive(Clone, Debug)]
pub(super) struct ObjectPlan {
    keys: KeyTable,
    members: Box<[Member]>,
    targets: Box<[u32]>,
}

/// What is done with one member.
#[derive(Clone, Debug)]
enum Member {
    /// It is cast into a column: nearly all of them, so this is found without a detour.
    Column(u32),
    Actions(Box<[Action]>),
}

impl Member {
    fn new(actions: Box<[Action]>) -> Self {
        match *actions {
            [Action::Column(i)] => Self::Column(i),
            _ => Self::Actions(actions),
        }
    }
}

impl ObjectPlan {
    /// Reads the object that comes next; whether it had any member.
    pub(super) fn run(&self, s: &mut Scanner, frame: &mut Frame) -> Step<bool> {
        s.enter_object()?;
        if !s.next_member()? {
            return Ok(false);
        }
        let mut hint = self.keys.first_hint();
        let mut place = self.keys.read(s, &mut hint)?;
        loop {
            match place.and_then(|place| self.members.get(place)) {
                Some(Member::Column(i)) => frame.cast(*i, s)?,
                Some(Member::Actions(actions)) => run_all(actions, s, frame)?,
                None => s.skip_value()?,
            }
            place = self.keys.follow(s, &mut hint);
            if place.is_none() {
                if !s.next_member()? {
                    return Ok(true);
                }
                place = self.keys.read(s, &mut hint)?;
            }
        }
    }

    fn run_at(&self, s: &mut Scanner, frame: &mut Frame) -> Step {
        frame.clear(&self.targets);
        match s.next_byte() {
            b'{' => self.run(s, frame).map(drop),
            b'n' => Ok(s.null()?),
            _ => {
                let found = Found::Kind(s.peek()?);
                let column = self.targets.first().map_or("", |i| frame.name(*i));
                Err(Fault::misfit("an object on the way to it", found).within(column))
            }
        }
    }
}

/// The elements of an array that something is taken from.
#[derive(Clone, Debug)]
pub(super) struct ElementsPlan {
    picks: Box<[(Pick, Box<[Action]>)]>,
    /// The members that picks look at.
    keys: Box<[String]>,
    targets: Box<[u32]>,
}

/// Picks of one plan: they are bits of a word.
const MAX_PICKS: usize = 64;

impl ElementsPlan {
    fn run(&self, s: &mut Scanner, frame: &mut Frame) -> Step {
        frame.clear(&self.targets);
        let mut open = u64::MAX >> (MAX_PICKS - self.picks.len());
        match s.next_byte() {
            b'n' => return Ok(s.null()?),
            b'[' => s.enter_array()?,
            _ => return self.element(s, frame, 0, &mut open),
        }
        let mut index = 0;
        while s.next_element()? {
            self.element(s, frame, index, &mut open)?;
            index += 1;
        }
        Ok(())
    }

    /// Runs the first open picks that take this element, and closes them.
    fn element(&self, s: &mut Scanner, frame: &mut Frame, index: usize, open: &mut u64) -> Step {
        if *open == 0 {
            return Ok(s.skip_value()?);
        }
        s.next_byte();
        let mark = s.mark();
        let taken = self.taken(s, index)? & *open;
        *open &= !taken;
        s.reset(mark);
        if taken == 0 {
            s.skip_value()?;
        }
        for (bit, (_, actions)) in self.picks.iter().enumerate() {
            if taken >> bit & 1 == 1 {
                s.reset(mark);
                run_all(actions, s, frame)?;
            }
        }
        Ok(())
    }

    /// The picks that take this element, as bits; reads no further than it must.
    fn taken(&self, s: &mut Scanner, index: usize) -> Step<u64> {
        let mut taken = 0;
        for (bit, (pick, _)) in self.picks.iter().enumerate() {
            if matches!(pick, Pick::Index(i) if *i == index) {
                taken |= 1 << bit;
            }
        }
        let mut unseen = self.keys.len();
        if unseen == 0 || s.next_byte() != b'{' {
            return Ok(taken);
        }
        s.enter_object()?;
        while let Some(name) = s.next_key()? {
            let text = s.skip()?;
            if !self.keys.iter().any(|k| *k == name) {
                continue;
            }
            for (bit, (pick, _)) in self.picks.iter().enumerate() {
                if matches!(pick, Pick::Match { key, value } if *key == name && same_text(text, value)) {
                    taken |= 1 << bit;
                }
            }
            unseen -= 1;
            if unseen == 0 {
                break;
            }
        }
        Ok(taken)
    }
}

/// The fields' paths of one struct, merged into a tree.
#[derive(Debug, Default)]
pub(super) struct PathTree {
    columns: Vec<u32>,
    texts: Vec<u32>,
    members: Vec<(String, PathTree)>,
    picks: Vec<(Pick, PathTree)>,
}

impl PathTree {
    /// Says that a column takes the value at the end of a path, or its text.
    pub(super) fn insert(&mut self, hops: &[Hop], column: u32, text: bool) {
        match hops {
            [] if text => self.texts.push(column),
            [] => self.columns.push(column),
            [Hop::Member(name), rest @ ..] => child(&mut self.members, name).insert(rest, column, text),
            [Hop::Pick(pick), rest @ ..] => child(&mut self.picks, pick).insert(rest, column, text),
        }
    }

    pub(super) fn into_plan(self) -> ObjectPlan {
        let (names, trees): (Vec<_>, Vec<_>) = self.members.into_iter().unzip();
        let members: Vec<_> = trees.into_iter().map(Self::into_actions).collect();
        let targets = targets_of(members.iter().flatten());
        let members = members.into_iter().map(Member::new).collect();
        ObjectPlan { keys: KeyTable::new(&names), members, targets }
    }

    fn into_actions(mut self) -> Box<[Action]> {
        let mut actions: Vec<Action> = Vec::new();
        actions.extend(self.columns.drain(..).map(Action::Column));
        actions.extend(self.texts.drain(..).map(Action::Json));
        let mut picks = std::mem::take(&mut self.picks).into_iter().peekable();
        if !self.members.is_empty() {
            actions.push(Action::Object(self.into_plan()));
        }
        while picks.peek().is_some() {
            let picks: Box<[_]> = picks.by_ref().take(MAX_PICKS).map(|(p, t)| (p, t.into_actions())).collect();
            let mut keys: Vec<String> = Vec::new();
            for (pick, _) in &picks {
                if let Pick::Match { key, .. } = pick
                    && !keys.contains(key)
                {
                    keys.push(key.clone());
                }
            }
            let targets = targets_of(picks.iter().flat_map(|(_, actions)| actions));
            actions.push(Action::Elements(ElementsPlan { picks, keys: keys.into(), targets }));
        }
        actions.into()
    }
}

fn child<'a, K: PartialEq + Clone>(children: &'a mut Vec<(K, PathTree)>, key: &K) -> &'a mut PathTree {
    let at = children.iter().position(|(k, _)| k == key).unwrap_or_else(|| {
        children.push((key.clone(), PathTree::default()));
        children.len() - 1
    });
    &mut children[at].1
}
