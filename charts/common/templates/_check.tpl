{{/* What a schema cannot say. */}}
{{- define "common.check" -}}
{{- $global := .root.Values.global -}}
{{- $chart := .root.Chart.Name -}}
{{- if and (not $global.storage.url) (not .role.local) -}}
{{- fail (printf "%s: global.storage.url is missing: name the bucket, as s3://BUCKET, gs://BUCKET or az://CONTAINER" $chart) -}}
{{- end -}}
{{- if and (hasPrefix "az://" $global.storage.url) (not $global.storage.azure.account) -}}
{{- fail (printf "%s: global.storage.azure.account is missing: a container of Azure belongs to an account" $chart) -}}
{{- end -}}
{{- $zones := len (default (list) $global.cluster.zones) -}}
{{- $copies := int (default 1 $global.cluster.replicationFactor) -}}
{{- if and (gt $zones 0) (lt $zones $copies) -}}
{{- fail (printf "%s: global.cluster.zones: %d zones cannot hold %d copies in distinct zones; name more zones, or none" $chart $zones $copies) -}}
{{- end -}}
{{- if and (eq .role.component "ingester") (eq $zones 0) (lt (int .root.Values.replicas) $copies) -}}
{{- fail (printf "%s: replicas: %d ingesters cannot hold %d copies; run more of them, or lower global.cluster.replicationFactor" $chart (int .root.Values.replicas) $copies) -}}
{{- end -}}
{{- with .root.Values.replicasOfZones -}}
  {{- $names := list -}}
  {{- range $global.cluster.zones -}}{{- $names = append $names .name -}}{{- end -}}
  {{- range $zone, $replicas := . -}}
    {{- if not (has $zone $names) -}}
      {{- fail (printf "%s: replicasOfZones: %q is none of global.cluster.zones" $chart $zone) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- with .root.Values.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "%s: autoscaling.minReplicas, %d, is more than autoscaling.maxReplicas, %d" $chart (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- if and .enabled (eq (int .targetCPUUtilizationPercentage) 0) (not .metrics) -}}
{{- fail (printf "%s: autoscaling has nothing to go by: set autoscaling.targetCPUUtilizationPercentage or autoscaling.metrics" $chart) -}}
{{- end -}}
{{- end -}}
{{- end -}}
