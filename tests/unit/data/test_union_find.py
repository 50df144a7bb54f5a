import numpy as np

from trifold.data.union_find import UnionFind


def test_the_root_of_a_group_is_its_smallest_number():
    groups = UnionFind(7)
    for one, other in ((5, 6), (3, 5), (1, 2), (6, 3)):
        groups.join(one, other)
    assert groups.roots().tolist() == [0, 1, 1, 3, 4, 3, 3]
    groups.join(6, 2)
    assert groups.roots().tolist() == [0, 1, 1, 1, 4, 1, 1]


def test_groups_are_those_of_connected_pairs():
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.random.default_rng(0).integers(0, 500, (400, 2))
    groups = UnionFind(500)
    for one, other in pairs.tolist():
        groups.join(one, other)
    _, expected = connected_components(coo_array((np.ones(400), pairs.T), shape=(500, 500)), directed=False)
    roots = groups.roots()
    assert all((roots[i] == roots).tolist() == (expected[i] == expected).tolist() for i in range(500))
