//! One book per workspace: what it should own by the rows that move credits, and what it does own.
//!
//! Two conventions of the target file are honoured here: commissions may be earned on an account of kind
//! `commissions` beside `credits`, and a debt after a clawback stands on an account of kind `debt`. Accounts
//! of any other kind are the target's own affair.

use std::collections::{BTreeMap, BTreeSet};

use overdraft_model::evidence::{Account, Entry};

use crate::case::Case;

/// The sums of one workspace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book<'a> {
    pub(crate) workspace: &'a str,
    /// The starting balance that the harness gave.
    pub(crate) opening: i128,
    /// Grants without a session.
    pub(crate) gifts: i128,
    /// Grants for a session.
    pub(crate) granted: i128,
    pub(crate) earned: i128,
    pub(crate) spent: i128,
    pub(crate) reversed: i128,
    /// What staff gave, less what it took.
    pub(crate) adjusted: i128,
    pub(crate) expired: i128,
    /// What it owns.
    pub(crate) balance: i128,
    /// Rows that moved its credits.
    pub(crate) moves: usize,
    /// Its accounts.
    pub(crate) accounts: Vec<&'a Account>,
    /// What left and what reached its account by the entries, where they are mapped.
    pub(crate) flow: Option<Flow>,
    /// Whether the target records starting balances as grants.
    opening_is_a_gift: bool,
}

/// Sums of a workspace's entries, net per transfer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flow {
    pub(crate) left: i128,
    pub(crate) reached: i128,
}

impl Book<'_> {
    /// The starting balance as the target's own rows tell it.
    pub(crate) fn start(&self) -> i128 {
        if self.opening_is_a_gift { self.gifts } else { self.opening + self.gifts }
    }

    /// Gifts beyond those that the harness gave; negative if some are missing.
    pub(crate) fn unexplained_gifts(&self) -> i128 {
        if self.opening_is_a_gift { self.gifts - self.opening } else { self.gifts }
    }

    /// What it should own.
    pub(crate) fn expected(&self) -> i128 {
        self.start() + self.granted + self.earned + self.adjusted - self.spent - self.reversed - self.expired
    }

    /// Credits it owns beyond what it should; negative if some are missing.
    pub(crate) fn surplus(&self) -> i128 {
        self.balance - self.expected()
    }

    /// The sum in words.
    pub(crate) fn sum(&self) -> String {
        let mut text = format!("start {}", self.start());
        for (amount, sign, what) in [
            (self.granted, '+', "granted"),
            (self.earned, '+', "earned"),
            (self.spent, '-', "spent"),
            (self.adjusted, '+', "adjusted"),
            (self.reversed, '-', "reversed"),
            (self.expired, '-', "expired"),
        ] {
            if amount != 0 {
                text.push_str(&format!(" {sign} {amount} {what}"));
            }
        }
        format!("{text} = {}", self.expected())
    }
}

/// Running balances from entries, and which accounts they touch.
pub(crate) struct Entries<'a> {
    /// Sum per account.
    pub(crate) by_account: BTreeMap<&'a str, i128>,
    /// Sum per transfer, in order.
    pub(crate) by_transfer: Vec<(&'a str, i128)>,
    flows: BTreeMap<&'a str, Flow>,
    /// In canonical order: by transfer.
    rows: &'a [Entry],
}

impl<'a> Entries<'a> {
    /// Adds them up. They must be in canonical order.
    pub(crate) fn new(entries: &'a [Entry]) -> Self {
        let mut sums =
            Self { by_account: BTreeMap::new(), by_transfer: Vec::new(), flows: BTreeMap::new(), rows: entries };
        for of_transfer in entries.chunk_by(|one, other| one.transfer == other.transfer) {
            let mut net: BTreeMap<&str, i128> = BTreeMap::new();
            for entry in of_transfer {
                *net.entry(&entry.account).or_default() += i128::from(entry.amount);
            }
            sums.by_transfer.push((&of_transfer[0].transfer, net.values().sum()));
            for (account, net) in net {
                *sums.by_account.entry(account).or_default() += net;
                let flow = sums.flows.entry(account).or_default();
                flow.left += (-net).max(0);
                flow.reached += net.max(0);
            }
        }
        sums
    }

    /// The entries of a transfer.
    pub(crate) fn of(&self, transfer: &str) -> &'a [Entry] {
        let from = self.rows.partition_point(|entry| entry.transfer.as_str() < transfer);
        let length = self.rows[from..].partition_point(|entry| entry.transfer == transfer);
        &self.rows[from..from + length]
    }

    /// Whether this is double entry, and not a list of changes: some transfer moves credits from one account to another.
    pub(crate) fn two_sided(&self) -> bool {
        self.balanced().next().is_some()
    }

    /// Whether most of those transfers touch no account but such.
    pub(crate) fn mostly_among(&self, such: impl Fn(&str) -> bool) -> bool {
        let (mut among, mut all) = (0, 0);
        for entries in self.balanced() {
            all += 1;
            among += usize::from(entries.iter().all(|entry| such(&entry.account)));
        }
        among * 2 > all
    }

    /// Transfers between accounts whose two sides are equal.
    fn balanced(&self) -> impl Iterator<Item = &'a [Entry]> {
        let transfers = self.rows.chunk_by(|one, other| one.transfer == other.transfer);
        transfers.filter(|entries| {
            entries.iter().any(|entry| entry.account != entries[0].account)
                && entries.iter().map(|entry| i128::from(entry.amount)).sum::<i128>() == 0
        })
    }

    fn flow(&self, account: &str) -> Flow {
        self.flows.get(account).copied().unwrap_or_default()
    }
}

/// Every workspace's book. Needs accounts; other tables count as empty where they are not mapped, so the
/// caller decides which of them it cannot do without. None if no account belongs to any of the workspaces:
/// then it is the target file that is wrong, not the target.
pub(crate) fn books<'a>(case: &Case<'a>, entries: Option<&Entries<'a>>) -> Option<Vec<Book<'a>>> {
    let mut books = moves(case);
    add_accounts(case, entries, &mut books);
    let books: Vec<_> = books.into_values().collect();
    books.iter().any(|book| !book.accounts.is_empty()).then_some(books)
}

/// Every workspace's book without what it owns: only what moved its credits. Needs no table at all.
pub(crate) fn moves<'a>(case: &Case<'a>) -> BTreeMap<&'a str, Book<'a>> {
    let mut books: BTreeMap<&str, Book<'a>> = BTreeMap::new();
    for workspace in &case.world().workspaces {
        let opening = i128::from(workspace.credits);
        books.insert(&workspace.name, Book { workspace: &workspace.name, opening, ..Book::default() });
    }
    add_moves(case, &mut books);
    let (with, given) = books
        .values()
        .filter(|book| book.opening > 0)
        .fold((0, 0), |(with, given), book| (with + 1, given + usize::from(book.gifts > 0)));
    for book in books.values_mut() {
        book.opening_is_a_gift = given * 2 > with;
    }
    books
}

fn add_moves<'a>(case: &Case<'a>, books: &mut BTreeMap<&str, Book<'a>>) {
    let mut count = |workspace: &str, change: &dyn Fn(&mut Book<'a>)| {
        if let Some(book) = books.get_mut(workspace) {
            change(book);
        }
    };
    let database = case.database();
    for row in database.purchases.iter().flatten() {
        count(&row.workspace, &|book| {
            book.spent += i128::from(row.price);
            book.moves += 1;
        });
    }
    for row in database.grants.iter().flatten() {
        count(&row.workspace, &|book| {
            if row.session.is_some() {
                book.granted += i128::from(row.credits);
                book.moves += 1;
            } else {
                book.gifts += i128::from(row.credits);
            }
        });
    }
    for row in database.commissions.iter().flatten() {
        count(&row.workspace, &|book| {
            book.earned += i128::from(row.amount);
            book.moves += 1;
        });
    }
    for row in database.expiries.iter().flatten() {
        count(&row.workspace, &|book| {
            book.expired += i128::from(row.credits);
            book.moves += 1;
        });
    }
    for row in database.adjustments.iter().flatten() {
        count(&row.workspace, &|book| {
            book.adjusted += i128::from(row.credits);
            book.moves += 1;
        });
    }
    for row in database.reversals.iter().flatten() {
        count(&row.workspace, &|book| {
            book.reversed += i128::from(row.credits);
            book.moves += 1;
        });
    }
}

fn add_accounts<'a>(case: &Case<'a>, entries: Option<&Entries<'a>>, books: &mut BTreeMap<&str, Book<'a>>) {
    for account in case.database().accounts.iter().flatten() {
        let Some(book) = account.workspace.as_deref().and_then(|workspace| books.get_mut(workspace)) else { continue };
        let amount = held(account, entries);
        match account.kind.as_str() {
            "credits" | "commissions" => book.balance += amount,
            "debt" => book.balance -= amount.abs(),
            _ => continue,
        }
        book.accounts.push(account);
        if let Some(entries) = entries {
            let flow = entries.flow(&account.id);
            let known = book.flow.get_or_insert_default();
            known.left += flow.left;
            known.reached += flow.reached;
        }
    }
}

/// What stands on an account: the target's running balance, or the sum of its entries.
pub(crate) fn held(account: &Account, entries: Option<&Entries<'_>>) -> i128 {
    let summed = || entries.and_then(|entries| entries.by_account.get(account.id.as_str())).copied().unwrap_or(0);
    account.balance.map_or_else(summed, i128::from)
}

/// Workspaces whose balance cannot be explained without the commissions table.
pub(crate) fn partners<'a>(case: &Case<'a>) -> BTreeSet<&'a str> {
    case.world().leads.iter().map(|lead| lead.partner.as_str()).collect()
}
