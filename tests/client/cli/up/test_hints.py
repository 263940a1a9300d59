"""What is printed to be pasted."""

from __future__ import annotations

import ast
import base64
import json
import shlex

from shoal.cli.up.hints import KEY, VALUE, grpcurl_line, hints, python_snippet
from shoal.cli.up.plan import ClusterPlan


def test_the_grpcurl_line_sets_and_gets_as_a_shell_reads_it() -> None:
    words = shlex.split(grpcurl_line("127.0.0.1:20006"))
    assert words.count("&&") == 1
    setting, getting = words[: words.index("&&")], words[words.index("&&") + 1 :]
    body = json.loads(setting[setting.index("-d") + 1])
    assert base64.b64decode(body["key"]) == KEY.encode()
    assert base64.b64decode(body["value"]) == VALUE.encode()
    assert setting[-2:] == ["127.0.0.1:20006", "shoal.v1.Cache/Set"]
    assert getting[-2:] == ["127.0.0.1:20006", "shoal.v1.Cache/Get"]


def test_the_python_snippet_holds_no_block_that_a_prompt_would_wait_for() -> None:
    tree = ast.parse(python_snippet("shoal://127.0.0.1:1"))
    assert all(isinstance(line, ast.Import | ast.Assign | ast.Expr) for line in tree.body)


def test_all_of_it_names_this_cluster(three_nodes: ClusterPlan) -> None:
    text = hints(three_nodes, "shoal", "/env/bin/python")
    assert f"export SHOAL_URL={three_nodes.url}" in text
    assert three_nodes.nodes[0].address in text
    assert "/env/bin/python" in text
