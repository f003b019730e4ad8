use super::super::objects::Release;
use super::super::settings;
use super::{release, side_by_side};

const GOOD: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: { name: querier }
spec:
  selector: { matchLabels: { app: querier } }
  template:
    metadata: { labels: { app: querier } }
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext: { runAsNonRoot: true, seccompProfile: { type: RuntimeDefault } }
      containers:
        - name: querier
          args: [--config=/etc/quartet.yaml, --wal.fsync=interval]
          env: [{ name: QUARTET_RING__ZONE, value: zone-a }]
          ports: [{ name: http-metrics, containerPort: 8080 }]
          startupProbe: { httpGet: { path: /services, port: http-metrics } }
          readinessProbe: { httpGet: { path: /ready, port: http-metrics } }
          livenessProbe: { httpGet: { path: /services, port: http-metrics } }
          resources: { requests: { cpu: "1", memory: 1Gi }, limits: { memory: 1Gi } }
          securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: [ALL] } }
          volumeMounts: [{ name: config, mountPath: /etc }]
      volumes: [{ name: config, configMap: { name: querier } }]
---
apiVersion: v1
kind: ConfigMap
metadata: { name: querier }
data: { quartet.yaml: "cluster: { id: a }\nlimits: { metrics: { ingestion_rate: 1 } }\noverrides: { metrics: a.yaml }\n" }
---
apiVersion: v1
kind: Service
metadata: { name: querier }
spec: { selector: { app: querier }, ports: [{ port: 8080, targetPort: http-metrics }] }
"#;

fn faults(text: &str) -> Vec<String> {
    release(&Release::parse("test (alone)".to_owned(), text).unwrap(), &settings::read().unwrap())
}

#[test]
fn what_is_right_has_no_faults() {
    assert_eq!(faults(GOOD), Vec::<String>::new());
}

#[test]
fn each_fault_is_found() {
    let cases = [
        ("runAsNonRoot: true", "runAsNonRoot: false", "may run as root"),
        ("seccompProfile: { type: RuntimeDefault }", "seccompProfile: { type: Unconfined }", "no seccomp profile"),
        ("enableServiceLinks: false", "enableServiceLinks: true", "variables of Services"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "can be written"),
        ("drop: [ALL]", "drop: [NET_RAW]", "keeps capabilities"),
        (", limits: { memory: 1Gi }", "", "no memory among its limits"),
        ("path: /ready, port: http-metrics", "path: /ready, port: web", "no readinessProbe"),
        ("name: QUARTET_RING__ZONE", "name: QUARTET_RING__ZONES_X", "is no setting"),
        ("--wal.fsync=", "--wal.sync=", "no such setting"),
        ("containerPort: 8080", "containerPort: 80", "is not where it listens"),
        ("volumeMounts: [{ name: config", "volumeMounts: [{ name: data", "which is no volume"),
        ("configMap: { name: querier }", "configMap: { name: other }", "ConfigMap other, which is not there"),
        ("cluster: { id: a }", "cluster: { name: a }", "cluster.name is no setting"),
        ("spec: { selector: { app: querier }", "spec: { selector: { app: query }", "selects no pods"),
        ("targetPort: http-metrics", "targetPort: web", "is no port of its pods"),
        ("matchLabels: { app: querier }", "matchLabels: { app: query }", "selects the pods of []"),
    ];
    for (right, wrong, expected) in cases {
        let text = GOOD.replacen(right, wrong, 1);
        assert_ne!(text, GOOD, "{right}");
        let faults = faults(&text);
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{wrong}: {faults:?}");
    }
}

#[test]
fn an_object_of_two_charts_is_found() {
    let one = Release::parse("a (alone)".to_owned(), "kind: Service\nmetadata: { name: gossip }\n").unwrap();
    assert_eq!(side_by_side([&one, &one].into_iter()), ["Service gossip: there are two"]);
    assert_eq!(side_by_side([&one].into_iter()), Vec::<String>::new());
}
