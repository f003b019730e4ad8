{{/* A pod that asks the component whether it is ready: `helm test`. */}}
{{- define "common.test" -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "common.fullname" . }}-test
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "common.cluster" . | nindent 4 }}
    app.kubernetes.io/instance: {{ .root.Release.Name }}
    app.kubernetes.io/component: test
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    seccompProfile: { type: RuntimeDefault }
  containers:
    - name: ready
      image: {{ .root.Values.helmTest.image }}
      command: [wget, -q, -T, "10", -O, "-", {{ printf "http://%s:8080/ready" (include "common.fullname" .) | quote }}]
      resources:
        requests: { cpu: 10m, memory: 16Mi }
        limits: { memory: 32Mi }
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
{{- end -}}

{{/* What every chart says after an installation; `more` in the role follows. */}}
{{- define "common.notes" -}}
{{ .root.Chart.Name }} is installed as {{ include "common.fullname" . }} in {{ .root.Release.Namespace }}, cluster {{ .root.Values.global.cluster.id }}.

Next, see that it is ready:

  helm test {{ .root.Release.Name }} --namespace {{ .root.Release.Namespace }}
{{- end -}}
