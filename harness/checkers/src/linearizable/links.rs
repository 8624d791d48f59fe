//! Doubly linked lists over numbered nodes, from which a node is taken and put back in the same place: what
//! Knuth calls dancing links. Taken nodes must be put back in the opposite order.

/// Several lists over the same nodes, each node in at most one.
pub(super) struct Links {
    before: Vec<u32>,
    behind: Vec<u32>,
    /// Nodes from here on are the ends of the lists.
    nodes: u32,
}

impl Links {
    /// So many nodes and empty lists.
    pub(super) fn new(nodes: usize, lists: usize) -> Self {
        let all: Vec<u32> = (0..number(nodes + lists)).collect();
        Self { before: all.clone(), behind: all, nodes: number(nodes) }
    }

    /// Puts a node last into a list.
    pub(super) fn push(&mut self, list: u32, node: u32) {
        let end = self.nodes + list;
        let last = self.before[end as usize];
        self.before[node as usize] = last;
        self.behind[node as usize] = end;
        self.behind[last as usize] = node;
        self.before[end as usize] = node;
    }

    /// The first node of a list.
    pub(super) fn first(&self, list: u32) -> Option<u32> {
        self.node(self.behind[(self.nodes + list) as usize])
    }

    /// The node behind another.
    pub(super) fn next(&self, node: u32) -> Option<u32> {
        self.node(self.behind[node as usize])
    }

    /// Whether no node stands before this one.
    pub(super) fn is_first(&self, node: u32) -> bool {
        self.before[node as usize] >= self.nodes
    }

    pub(super) fn take(&mut self, node: u32) {
        let (before, behind) = (self.before[node as usize], self.behind[node as usize]);
        self.behind[before as usize] = behind;
        self.before[behind as usize] = before;
    }

    pub(super) fn put_back(&mut self, node: u32) {
        let (before, behind) = (self.before[node as usize], self.behind[node as usize]);
        self.behind[before as usize] = node;
        self.before[behind as usize] = node;
    }

    fn node(&self, node: u32) -> Option<u32> {
        (node < self.nodes).then_some(node)
    }
}

/// A position as it is stored here: histories of four billion operations do not fit in memory anyway.
pub(super) fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(links: &Links, list: u32) -> Vec<u32> {
        std::iter::successors(links.first(list), |node| links.next(*node)).collect()
    }

    #[test]
    fn what_is_put_back_stands_where_it_stood() {
        let mut links = Links::new(5, 2);
        [3, 0, 4].into_iter().for_each(|node| links.push(0, node));
        [1, 2].into_iter().for_each(|node| links.push(1, node));
        links.take(0);
        links.take(3);
        assert_eq!((all(&links, 0), all(&links, 1)), (vec![4], vec![1, 2]));
        assert!(links.is_first(4) && links.is_first(1) && !links.is_first(2));
        links.put_back(3);
        links.put_back(0);
        assert_eq!(all(&links, 0), [3, 0, 4]);
    }
}
