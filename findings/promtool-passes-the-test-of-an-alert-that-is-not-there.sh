#!/usr/bin/env bash
# promtool 3.16.0, `promtool test rules`: a test that expects silence passes whatever is tested, or nothing. All of these say SUCCESS
# and end with 0, of an alert that fires:
#
#     alertname: OrdersFw, exp_alerts: []         the alert's name is misspelt, or it was renamed
#     rule_files: [ruls.yml]                      no such file; "WARNING: no file match pattern ruls.yml" comes before SUCCESS
#     expr: orders:increase_5m, exp_samples: []   nothing is recorded under that name
#     the same series twice in input_series       the earlier values are gone without a word; here those that made it fire
#
# So a rename empties every test of what must not fire, and none of them fails. Fails if one of these changes. Needs Go, which
# builds promtool from its module.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
GOPATH="$folder/go" GOBIN="$folder" GOFLAGS=-buildvcs=false \
    go install -tags remove_all_sd github.com/prometheus/prometheus/cmd/promtool@v0.316.0
cd "$folder"
cat > rules.yml <<'YAML'
groups:
  - name: orders
    rules:
      - {record: "orders:increase5m", expr: "sum(increase(orders_total[5m]))"}
      - {alert: OrdersFew, expr: "orders:increase5m < 10"}
YAML

asked() { # what is asked, the rule file, series, the question
    printf 'rule_files: [%s]\ntests:\n  - interval: 1m\n    input_series: [%s]\n    %s\n' "$2" "$3" "$4" > test.yml
    status=0
    said=$(./promtool test rules test.yml 2>&1) || status=$?
    echo "$1: $(grep -o 'SUCCESS\|FAILED' <<< "$said"), $status"
}

passes() {
    asked "$@"
    if [ "$status" != 0 ]; then
        echo "the behaviour has changed: $said"
        exit 1
    fi
}

few='{series: "orders_total", values: "0+1x20"}'
many='{series: "orders_total", values: "0+100x20"}'
none='alert_rule_test: [{alertname: OrdersFew, eval_time: 10m, exp_alerts: []}]'

asked "the alert fires" rules.yml "$few" "$none"
[ "$status" = 1 ] || { echo "the alert does not fire: $said"; exit 1; }
passes "a name that is misspelt" rules.yml "$few" "${none/OrdersFew/OrdersFw}"
passes "a file that is not there" ruls.yml "$few" "$none"
passes "a record that is not there" rules.yml "$few" 'promql_expr_test: [{expr: "orders:increase_5m", eval_time: 10m, exp_samples: []}]'
passes "a series twice" rules.yml "$few, $many" "$none"
