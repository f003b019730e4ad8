//! The cases, by what they are about.

use super::Case;

const DEPLOYMENT: &str = "Deployment distributor";
const STATEFUL_SET: &str = "StatefulSet ingester";

pub(super) const CASES: [Case; 31] = [
    // Images.
    Case {
        chart: "distributor",
        values: &[
            "global.image={\"registry\":\"mirror.example.com\",\"tag\":\"1.2.3\",\"pullPolicy\":\"Always\",\"pullSecrets\":[{\"name\":\"key\"}]}",
        ],
        effects: &[
            (DEPLOYMENT, "/spec/template/spec/containers/0/image", "\"mirror.example.com/quartet-distributor:1.2.3\""),
            (DEPLOYMENT, "/spec/template/spec/containers/0/imagePullPolicy", "\"Always\""),
            (DEPLOYMENT, "/spec/template/spec/imagePullSecrets/0/name", "\"key\""),
        ],
    },
    Case {
        chart: "distributor",
        values: &["image.repository=\"mine/distributor\"", "image.tag=\"edge\"", "global.image.tag=\"1.2.3\""],
        effects: &[(DEPLOYMENT, "/spec/template/spec/containers/0/image", "\"mine/distributor:edge\"")],
    },
    Case {
        chart: "distributor",
        values: &["image.digest=\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"", "image.tag=\"edge\""],
        effects: &[(
            DEPLOYMENT,
            "/spec/template/spec/containers/0/image",
            "\"quartet-distributor@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"",
        )],
    },
    // The cluster and its bucket.
    Case {
        chart: "distributor",
        values: &["global.cluster.id=\"eu-1\"", "global.cluster.replicationFactor=2", "global.serviceMonitor.enabled=true"],
        effects: &[
            ("Config distributor", "/cluster/id", "\"eu-1\""),
            ("Config distributor", "/ring/replication_factor", "2"),
            (DEPLOYMENT, "/spec/template/metadata/labels/quartet~1cluster", "\"eu-1\""),
            ("ServiceMonitor distributor", "/spec/endpoints/0/relabelings/1/replacement", "\"eu-1\""),
            ("ServiceMonitor distributor", "/spec/endpoints/0/relabelings/0/replacement", "\"monitoring/distributor\""),
        ],
    },
    Case {
        chart: "ingester",
        values: &[
            "global.cluster.zones=[{\"name\":\"a\",\"topology\":\"eu-1a\"},{\"name\":\"b\"},{\"name\":\"c\"}]",
            "replicas=2",
            "replicasOfZones.b=3",
        ],
        effects: &[
            ("StatefulSet ingester", "", "absent"),
            ("StatefulSet ingester-a", "/spec/replicas", "2"),
            ("StatefulSet ingester-b", "/spec/replicas", "3"),
            ("StatefulSet ingester-a", "/spec/updateStrategy/type", "\"OnDelete\""),
            ("StatefulSet ingester-a", "/spec/template/spec/nodeSelector", "{\"topology.kubernetes.io/zone\":\"eu-1a\"}"),
            ("StatefulSet ingester-b", "/spec/template/spec/nodeSelector", "absent"),
            ("StatefulSet ingester-c", "/spec/template/spec/containers/0/env/3", "{\"name\":\"QUARTET_RING__ZONE\",\"value\":\"c\"}"),
            ("StatefulSet ingester-c", "/spec/selector/matchLabels/quartet~1zone", "\"c\""),
            ("PodDisruptionBudget ingester", "/spec/selector/matchLabels/quartet~1zone", "absent"),
            ("Config ingester", "/ring/zones", "[\"a\",\"b\",\"c\"]"),
        ],
    },
    Case {
        chart: "ingester",
        values: &["zoneTopologyKey=\"rack\"", "global.cluster.zones=[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]"],
        effects: &[(
            "StatefulSet ingester-a",
            "/spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/0/topologyKey",
            "\"rack\"",
        )],
    },
    Case {
        chart: "store-gateway",
        values: &[
            "global.storage.prefix=\"quartet\"",
            "global.storage.s3={\"endpoint\":\"https://s3.example.com\",\"region\":\"eu\",\"pathStyle\":true,\"allowHttp\":true}",
            "global.storage.credentials={\"secretName\":\"bucket\",\"accessKeyId\":\"id\",\"secretAccessKey\":\"secret\"}",
        ],
        effects: &[
            ("Config store-gateway", "/storage/url", "\"s3://metrics\""),
            ("Config store-gateway", "/storage/prefix", "\"quartet\""),
            (
                "Config store-gateway",
                "/storage/s3",
                "{\"allow_http\":true,\"endpoint\":\"https://s3.example.com\",\"path_style\":true,\"region\":\"eu\"}",
            ),
            (
                "StatefulSet store-gateway",
                "/spec/template/spec/containers/0/env/3",
                "{\"name\":\"QUARTET_STORAGE__S3__ACCESS_KEY_ID\",\"valueFrom\":{\"secretKeyRef\":{\"key\":\"id\",\"name\":\"bucket\"}}}",
            ),
            (
                "StatefulSet store-gateway",
                "/spec/template/spec/containers/0/env/4",
                "{\"name\":\"QUARTET_STORAGE__S3__SECRET_ACCESS_KEY\",\"valueFrom\":{\"secretKeyRef\":{\"key\":\"secret\",\"name\":\"bucket\"}}}",
            ),
        ],
    },
    Case {
        chart: "querier",
        values: &[
            "global.storage.url=\"az://blocks\"",
            "global.storage.azure={\"account\":\"acme\",\"endpoint\":\"https://blob.example.com\"}",
            "global.storage.credentials={\"secretName\":\"bucket\",\"azureAccessKey\":\"key\"}",
        ],
        effects: &[
            ("Config querier", "/storage/azure", "{\"account\":\"acme\",\"endpoint\":\"https://blob.example.com\"}"),
            (
                "Deployment querier",
                "/spec/template/spec/containers/0/env/3",
                "{\"name\":\"QUARTET_STORAGE__AZURE__ACCESS_KEY\",\"valueFrom\":{\"secretKeyRef\":{\"key\":\"key\",\"name\":\"bucket\"}}}",
            ),
        ],
    },
    Case {
        chart: "querier",
        values: &[
            "global.storage.url=\"gs://blocks\"",
            "global.storage.credentials={\"secretName\":\"bucket\",\"serviceAccountKey\":\"sa.json\"}",
        ],
        effects: &[
            ("Config querier", "/storage/gcs/service_account_path", "\"/etc/quartet/credentials/sa.json\""),
            ("Deployment querier", "/spec/template/spec/volumes/2/secret/secretName", "\"bucket\""),
        ],
    },
    Case {
        chart: "query-frontend",
        values: &["global.memcached.addresses=[\"m-0:11211\",\"m-1:11212\"]", "global.networkPolicy.enabled=true"],
        effects: &[
            ("Config query-frontend", "/cache/memcached/addresses", "[\"m-0:11211\",\"m-1:11212\"]"),
            ("Config query-frontend", "/query_frontend/results_cache/memcached/addresses", "[\"m-0:11211\",\"m-1:11212\"]"),
            ("NetworkPolicy query-frontend", "/spec/egress/3/ports", "[{\"port\":11211},{\"port\":11212}]"),
        ],
    },
    Case {
        chart: "distributor",
        values: &["global.overrides.metrics={\"team-a\":{\"max_global_series_per_user\":1500000}}"],
        effects: &[
            ("Config distributor", "/overrides/metrics", "\"/etc/quartet/overrides/metrics.yaml\""),
            (
                "ConfigMap distributor-overrides",
                "/data/metrics.yaml",
                "\"overrides:\\n  team-a:\\n    max_global_series_per_user: 1500000\\n\"",
            ),
        ],
    },
    Case {
        chart: "querier",
        values: &[
            "global.config={\"querier\":{\"max_concurrent\":4,\"leaf_timeout\":\"10s\"},\"limits\":{\"metrics\":{\"max_global_series_per_user\":15000000}}}",
            "config={\"querier\":{\"max_concurrent\":16}}",
        ],
        effects: &[
            ("Config querier", "/querier", "{\"leaf_timeout\":\"10s\",\"max_concurrent\":16,\"max_query_memory\":\"2GiB\"}"),
            ("Config querier", "/limits/metrics/max_global_series_per_user", "15000000"),
        ],
    },
    // Monitoring and network.
    Case {
        chart: "compactor",
        values: &["global.serviceMonitor={\"enabled\":true,\"interval\":\"30s\",\"labels\":{\"release\":\"prometheus\"}}"],
        effects: &[
            ("ServiceMonitor compactor", "/spec/endpoints/0/interval", "\"30s\""),
            ("ServiceMonitor compactor", "/metadata/labels/release", "\"prometheus\""),
        ],
    },
    Case {
        chart: "compactor",
        values: &[
            "global.networkPolicy={\"enabled\":true,\"metricsFrom\":[{\"podSelector\":{\"matchLabels\":{\"app\":\"prometheus\"}}}],\"storage\":{\"ports\":[9000],\"cidrs\":[\"10.1.0.0/16\"]},\"egress\":[{\"ports\":[{\"port\":1}]}]}",
        ],
        effects: &[
            // Nobody but components and the Prometheus: a compactor's clients are named.
            ("NetworkPolicy compactor", "/spec/ingress/1/from/0/podSelector/matchLabels/app", "\"prometheus\""),
            ("NetworkPolicy compactor", "/spec/ingress/2", "absent"),
            ("NetworkPolicy compactor", "/spec/egress/2/to/0/ipBlock/cidr", "\"10.1.0.0/16\""),
            ("NetworkPolicy compactor", "/spec/egress/2/ports", "[{\"port\":9000}]"),
            ("NetworkPolicy compactor", "/spec/egress/3/ports", "[{\"port\":1}]"),
        ],
    },
    Case {
        chart: "distributor",
        values: &["global.networkPolicy.enabled=true"],
        effects: &[
            ("NetworkPolicy distributor", "/spec/ingress/1/from", "[{\"podSelector\":{}}]"),
            ("NetworkPolicy distributor", "/spec/ingress/1/ports", "[{\"port\":8080},{\"port\":4317},{\"port\":4318}]"),
        ],
    },
    Case {
        chart: "distributor",
        values: &["global.networkPolicy.enabled=true", "clients=[{\"namespaceSelector\":{\"matchLabels\":{\"agents\":\"yes\"}}}]"],
        effects: &[("NetworkPolicy distributor", "/spec/ingress/1/from/0/namespaceSelector/matchLabels/agents", "\"yes\"")],
    },
    Case {
        chart: "query-frontend",
        values: &["service={\"type\":\"LoadBalancer\",\"annotations\":{\"internal\":\"true\"}}"],
        effects: &[
            ("Service query-frontend", "/spec/type", "\"LoadBalancer\""),
            ("Service query-frontend", "/metadata/annotations/internal", "\"true\""),
        ],
    },
    // Names and accounts.
    Case {
        chart: "distributor",
        values: &["nameOverride=\"writes\""],
        effects: &[("Deployment distributor-writes", "/kind", "\"Deployment\"")],
    },
    Case { chart: "distributor", values: &["fullnameOverride=\"writes\""], effects: &[("Service writes", "/kind", "\"Service\"")] },
    Case {
        chart: "distributor",
        values: &[
            "serviceAccount={\"name\":\"writer\",\"annotations\":{\"one\":\"1\"}}",
            "global.serviceAccount.annotations={\"one\":\"0\",\"two\":\"2\"}",
        ],
        effects: &[
            ("ServiceAccount writer", "/metadata/annotations", "{\"one\":\"1\",\"two\":\"2\"}"),
            (DEPLOYMENT, "/spec/template/spec/serviceAccountName", "\"writer\""),
        ],
    },
    Case {
        chart: "distributor",
        values: &["serviceAccount.create=false"],
        effects: &[("ServiceAccount distributor", "", "absent"), (DEPLOYMENT, "/spec/template/spec/serviceAccountName", "\"default\"")],
    },
    // Pods.
    Case {
        chart: "distributor",
        values: &[
            "podAnnotations={\"team\":\"a\"}",
            "podLabels={\"one\":\"1\"}",
            "global.podLabels={\"one\":\"0\",\"two\":\"2\"}",
            "podSecurityContext={\"runAsUser\":1,\"runAsGroup\":2,\"fsGroup\":null,\"fsGroupChangePolicy\":\"Always\",\"seccompProfile\":{\"type\":\"Localhost\",\"localhostProfile\":\"a.json\"}}",
            "priorityClassName=\"high\"",
            "nodeSelector={\"disk\":\"ssd\"}",
            "tolerations=[{\"operator\":\"Exists\"}]",
            "affinity={\"nodeAffinity\":{}}",
            "topologySpreadConstraints=[{\"topologyKey\":\"rack\"}]",
            "spread=\"DoNotSchedule\"",
        ],
        effects: &[
            (DEPLOYMENT, "/spec/template/metadata/annotations/team", "\"a\""),
            (DEPLOYMENT, "/spec/template/metadata/labels/one", "\"1\""),
            (DEPLOYMENT, "/spec/template/metadata/labels/two", "\"2\""),
            (
                DEPLOYMENT,
                "/spec/template/spec/securityContext",
                "{\"fsGroupChangePolicy\":\"Always\",\"runAsGroup\":2,\"runAsNonRoot\":true,\"runAsUser\":1,\"seccompProfile\":{\"localhostProfile\":\"a.json\",\"type\":\"Localhost\"}}",
            ),
            (DEPLOYMENT, "/spec/template/spec/priorityClassName", "\"high\""),
            (DEPLOYMENT, "/spec/template/spec/nodeSelector", "{\"disk\":\"ssd\"}"),
            (DEPLOYMENT, "/spec/template/spec/tolerations", "[{\"operator\":\"Exists\"}]"),
            (DEPLOYMENT, "/spec/template/spec/affinity", "{\"nodeAffinity\":{}}"),
            (DEPLOYMENT, "/spec/template/spec/topologySpreadConstraints/0/whenUnsatisfiable", "\"DoNotSchedule\""),
            (DEPLOYMENT, "/spec/template/spec/topologySpreadConstraints/2/topologyKey", "\"rack\""),
        ],
    },
    Case {
        chart: "distributor",
        values: &[
            "extraArgs={\"telemetry.log_level\":\"debug\"}",
            "extraEnv=[{\"name\":\"A\",\"value\":\"b\"}]",
            "extraEnvFrom=[{\"secretRef\":{\"name\":\"more\"}}]",
            "extraVolumes=[{\"name\":\"ca\",\"configMap\":{\"name\":\"ca\"}}]",
            "extraVolumeMounts=[{\"name\":\"ca\",\"mountPath\":\"/ca\"}]",
            "resources={\"limits\":{\"memory\":\"9Gi\"}}",
            "terminationGracePeriodSeconds=7",
            "replicas=5",
        ],
        effects: &[
            (DEPLOYMENT, "/spec/template/spec/containers/0/args/1", "\"--telemetry.log_level=debug\""),
            (DEPLOYMENT, "/spec/template/spec/containers/0/env/3", "{\"name\":\"A\",\"value\":\"b\"}"),
            (DEPLOYMENT, "/spec/template/spec/containers/0/envFrom/0/secretRef/name", "\"more\""),
            (DEPLOYMENT, "/spec/template/spec/volumes/2/name", "\"ca\""),
            (DEPLOYMENT, "/spec/template/spec/containers/0/volumeMounts/2/mountPath", "\"/ca\""),
            (DEPLOYMENT, "/spec/template/spec/containers/0/resources/limits/memory", "\"9Gi\""),
            (DEPLOYMENT, "/spec/template/spec/terminationGracePeriodSeconds", "7"),
            (DEPLOYMENT, "/spec/replicas", "5"),
        ],
    },
    Case {
        chart: "distributor",
        values: &["probes={\"startup\":{\"failureThreshold\":9},\"readiness\":{\"periodSeconds\":3},\"liveness\":{\"timeoutSeconds\":4}}"],
        effects: &[
            (DEPLOYMENT, "/spec/template/spec/containers/0/startupProbe/failureThreshold", "9"),
            (DEPLOYMENT, "/spec/template/spec/containers/0/readinessProbe/periodSeconds", "3"),
            (DEPLOYMENT, "/spec/template/spec/containers/0/readinessProbe/httpGet/path", "\"/ready\""),
            (DEPLOYMENT, "/spec/template/spec/containers/0/livenessProbe/timeoutSeconds", "4"),
        ],
    },
    Case {
        chart: "distributor",
        values: &[
            "podDisruptionBudget.maxUnavailable=2",
            "helmTest.image=\"mirror/busybox:1\"",
            "extraObjects=[{\"kind\":\"Secret\",\"metadata\":{\"name\":\"{{ .Release.Name }}-x\"}}]",
        ],
        effects: &[
            ("PodDisruptionBudget distributor", "/spec/maxUnavailable", "2"),
            ("Pod distributor-test", "/spec/containers/0/image", "\"mirror/busybox:1\""),
            ("Pod distributor-test", "/metadata/annotations/helm.sh~1hook", "\"test\""),
            ("Secret distributor-x", "/kind", "\"Secret\""),
        ],
    },
    Case {
        chart: "distributor",
        values: &["podDisruptionBudget.enabled=false"],
        effects: &[("PodDisruptionBudget distributor", "", "absent")],
    },
    // Sizes.
    Case {
        chart: "store-gateway",
        values: &[
            "autoscaling={\"enabled\":true,\"minReplicas\":3,\"maxReplicas\":7,\"targetCPUUtilizationPercentage\":50,\"metrics\":[{\"type\":\"External\"}],\"behavior\":{\"scaleUp\":{}}}",
            "global.cluster.zones=[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}]",
        ],
        effects: &[
            ("StatefulSet store-gateway-a", "/spec/replicas", "absent"),
            ("StatefulSet store-gateway-a", "/spec/updateStrategy/type", "\"RollingUpdate\""),
            ("HorizontalPodAutoscaler store-gateway-b", "/spec/scaleTargetRef/name", "\"store-gateway-b\""),
            ("HorizontalPodAutoscaler store-gateway-b", "/spec/minReplicas", "3"),
            ("HorizontalPodAutoscaler store-gateway-b", "/spec/maxReplicas", "7"),
            ("HorizontalPodAutoscaler store-gateway-b", "/spec/metrics/0/resource/target/averageUtilization", "50"),
            ("HorizontalPodAutoscaler store-gateway-b", "/spec/metrics/1/type", "\"External\""),
            ("HorizontalPodAutoscaler store-gateway-b", "/spec/behavior", "{\"scaleUp\":{}}"),
        ],
    },
    Case {
        chart: "ingester",
        values: &["persistence={\"size\":\"9Gi\",\"storageClass\":\"fast\",\"annotations\":{\"backup\":\"no\"}}"],
        effects: &[
            (STATEFUL_SET, "/spec/updateStrategy/type", "\"RollingUpdate\""),
            (STATEFUL_SET, "/spec/volumeClaimTemplates/0/spec/resources/requests/storage", "\"9Gi\""),
            (STATEFUL_SET, "/spec/volumeClaimTemplates/0/spec/storageClassName", "\"fast\""),
            (STATEFUL_SET, "/spec/volumeClaimTemplates/0/metadata/annotations/backup", "\"no\""),
            (STATEFUL_SET, "/spec/persistentVolumeClaimRetentionPolicy", "{\"whenDeleted\":\"Retain\",\"whenScaled\":\"Retain\"}"),
        ],
    },
    Case {
        chart: "store-gateway",
        values: &["persistence.used=\"7GiB\""],
        effects: &[
            ("Config store-gateway", "/cache/disk", "{\"bytes\":\"7GiB\",\"directory\":\"/cache\"}"),
            ("StatefulSet store-gateway", "/spec/persistentVolumeClaimRetentionPolicy/whenScaled", "\"Delete\""),
        ],
    },
    Case {
        chart: "quartet",
        values: &[
            "components={\"distributor\":false,\"ingester\":false,\"querier\":false,\"query-frontend\":true,\"store-gateway\":false,\"compactor\":false}",
            "query-frontend.replicas=4",
        ],
        effects: &[
            ("Deployment quartet-distributor", "", "absent"),
            ("StatefulSet quartet-ingester", "", "absent"),
            ("Deployment quartet-querier", "", "absent"),
            ("StatefulSet quartet-store-gateway", "", "absent"),
            ("StatefulSet quartet-compactor", "", "absent"),
            ("Deployment quartet-query-frontend", "/spec/replicas", "4"),
        ],
    },
    Case {
        chart: "quartet",
        values: &[],
        effects: &[
            ("Deployment quartet-distributor", "/spec/replicas", "2"),
            ("StatefulSet quartet-ingester", "/spec/replicas", "3"),
            ("Deployment quartet-querier", "/spec/replicas", "2"),
            ("Deployment quartet-query-frontend", "/spec/replicas", "2"),
            ("StatefulSet quartet-store-gateway", "/spec/replicas", "2"),
            ("StatefulSet quartet-compactor", "/spec/replicas", "2"),
        ],
    },
];
