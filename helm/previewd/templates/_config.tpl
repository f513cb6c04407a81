{{/* A value as the text of a variable: lists with commas, whole numbers without an exponent. */}}
{{- define "previewd.text" -}}
{{- if kindIs "slice" . -}}
{{- join "," . }}
{{- else if kindIs "float64" . -}}
{{- if eq . (floor .) }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end }}
{{- else if not (kindIs "invalid" .) -}}
{{- toString . }}
{{- end }}
{{- end }}

{{/* Milliseconds of a Go duration such as 1m30s; nothing if it is none. */}}
{{- define "previewd.milliseconds" -}}
{{- $piece := `([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h)` -}}
{{- $unit := dict "ns" 0.000001 "us" 0.001 "µs" 0.001 "ms" 1.0 "s" 1000.0 "m" 60000.0 "h" 3600000.0 -}}
{{- if regexMatch (printf "^(%s)+$" $piece) . -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll $piece . -1 -}}
{{- $u := regexFind "[a-zµ]+$" . -}}
{{- $sum = addf $sum (mulf (float64 (trimSuffix $u .)) (get $unit $u)) -}}
{{- end -}}
{{- $sum }}
{{- end }}
{{- end }}

{{/* "true" for a true that may be written in any of the forms of a variable. */}}
{{- define "previewd.isTrue" -}}
{{- if has (include "previewd.text" . | lower) (list "true" "1" "yes" "on") }}true{{ end }}
{{- end }}

{{/* The settings that config gives, as text, without those that are empty. */}}
{{- define "previewd.given" -}}
{{- $given := dict -}}
{{- range $name, $value := .Values.config -}}
{{- $text := include "previewd.text" $value | trim -}}
{{- /* YAML reads on and off as booleans. */ -}}
{{- if and (has $name (list "HTTPS_REDIRECT" "COMPRESS" "KERNEL_CONFINEMENT" "PREVIEWS")) (kindIs "bool" $value) -}}
{{- $text = ternary "on" "off" $value -}}
{{- end -}}
{{- if $text }}{{ $_ := set $given $name $text }}{{ end -}}
{{- end -}}
{{- toYaml $given }}
{{- end }}

{{/* "true" where other servers are asked. */}}
{{- define "previewd.proxies" -}}
{{- $given := include "previewd.given" . | fromYaml -}}
{{- if or $given.PROXY $given.PROXY_ORIGINS }}true{{ end }}
{{- end }}

{{/* "true" where HTTPS is spoken. */}}
{{- define "previewd.https" -}}
{{- $given := include "previewd.given" . | fromYaml -}}
{{- if or .Values.tls.existingSecret .Values.tls.selfSigned .Values.tls.certManager.enabled $given.TLS_CERT (include "previewd.isTrue" $given.TLS_SELF_SIGNED) }}true{{ end }}
{{- end }}

{{/* "true" where each directory, or each tag of a repository, is a site of its own. */}}
{{- define "previewd.hasPreviews" -}}
{{- $given := include "previewd.given" . | fromYaml -}}
{{- if or .Values.previews.enabled .Values.previews.repository (eq ($given.PREVIEWS | default "off") "directories") }}true{{ end }}
{{- end }}

{{/* A size in MiB, rounded up; nothing if it is none, or more than the server can count. */}}
{{- define "previewd.mebibytes" -}}
{{- $text := include "previewd.text" . | trim -}}
{{- if regexMatch "^[0-9]+ *([kKmMgGtT][iI]?)?[bB]?$" $text -}}
{{- $digits := regexFind "^[0-9]+" $text | trimPrefix "0" -}}
{{- $digits = regexReplaceAll "^0+" $digits "" | default "0" -}}
{{- $unit := regexFind "[kKmMgGtT]" $text | lower -}}
{{- $most := get (dict "" 9223372036854775807 "k" 9007199254740991 "m" 8796093022207 "g" 8589934591 "t" 8388607) $unit | int64 -}}
{{- $n := atoi $digits | int64 -}}
{{- if and (le (len $digits) 19) (eq (toString $n) $digits) (le $n $most) -}}
{{- if eq $unit "g" }}{{ mul $n 1024 }}
{{- else if eq $unit "t" }}{{ mul $n 1048576 }}
{{- else if eq $unit "m" }}{{ $n }}
{{- else -}}
{{- $of := ternary 1024 1048576 (eq $unit "k") | int64 -}}
{{- add (div $n $of) (ternary 0 1 (eq (mod $n $of) 0)) }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* How large the volume of the images may become: an eighth more than the server puts there, as the kubelet evicts a pod that
goes beyond the limit. */}}
{{- define "previewd.previewsLimit" -}}
{{- $n := include "previewd.mebibytes" .Values.previews.size | atoi | int64 -}}
{{- printf "%dMi" (add $n (div $n 8) (ternary 0 1 (eq (mod $n 8) 0)) | int64) }}
{{- end }}

{{/* The ports of the registry: 443, where others hand out tokens and layers too, and its own. */}}
{{- define "previewd.registryPorts" -}}
{{- $given := include "previewd.given" . | fromYaml -}}
{{- $own := regexFind ":[0-9]+$" (splitList "/" .Values.previews.repository | first) | trimPrefix ":" -}}
{{- $own = $own | default (ternary "80" "443" (include "previewd.isTrue" $given.PREVIEWS_INSECURE | empty | not)) -}}
{{- list 443 (atoi $own) | uniq | toYaml }}
{{- end }}

{{/* The resources of the server. What is not said is taken from what it does: previews from a registry wait most of the time,
and unpack an image now and then. An autoscaler goes by the request. */}}
{{- define "previewd.resources" -}}
{{- $r := deepCopy (.Values.resources | default dict) -}}
{{- if $r -}}
{{- $registry := not (empty .Values.previews.repository) -}}
{{- $requests := $r.requests | default dict -}}
{{- $limits := $r.limits | default dict -}}
{{- if not $requests.cpu }}{{ $_ := set $requests "cpu" (ternary "5m" "50m" (and $registry (not .Values.autoscaling.enabled))) }}{{ end -}}
{{- if not $requests.memory }}{{ $_ := set $requests "memory" (ternary "16Mi" "64Mi" $registry) }}{{ end -}}
{{- if not $limits.memory }}{{ $_ := set $limits "memory" (ternary "256Mi" "128Mi" $registry) }}{{ end -}}
{{- $r = merge (dict "requests" $requests "limits" $limits) $r -}}
{{- end -}}
{{- toYaml $r }}
{{- end }}

{{/* The names of the previews, as a list: their domain and all below it. It is empty where there are no previews, or no domain. */}}
{{- define "previewd.previewHosts" -}}
{{- $hosts := list -}}
{{- if and (or .Values.previews.enabled .Values.previews.repository) .Values.previews.domain -}}
{{- $hosts = list .Values.previews.domain (printf "*.%s" .Values.previews.domain) -}}
{{- end -}}
{{- toYaml $hosts }}
{{- end }}

{{/* The Secret that holds certificate and key, if there is one. */}}
{{- define "previewd.tlsSecret" -}}
{{- if .Values.tls.certManager.enabled -}}
{{- include "previewd.fullname" . }}-tls
{{- else -}}
{{- .Values.tls.existingSecret }}
{{- end }}
{{- end }}

{{/* The names that clients in the cluster have for the Service. */}}
{{- define "previewd.serviceNames" -}}
{{- $name := include "previewd.fullname" . -}}
{{- $namespace := .Release.Namespace -}}
{{- list $name (printf "%s.%s" $name $namespace) (printf "%s.%s.svc" $name $namespace) (printf "%s.%s.svc.cluster.local" $name $namespace) | toYaml }}
{{- end }}

{{/* All settings of the server: those given, and those that the pod's spec depends on, by name. */}}
{{- define "previewd.settings" -}}
{{- $s := include "previewd.given" . | fromYaml -}}
{{- $s = merge $s (dict "PORT" "8000" "ADMIN_PORT" "9090" "SHUTDOWN_DELAY" "0s" "SHUTDOWN_TIMEOUT" "8s") -}}
{{- if not .Values.previews.repository -}}
{{- $s = merge $s (dict "DIRECTORY" (include "previewd.content.directory" .)) -}}
{{- end -}}
{{- if include "previewd.https" . -}}
{{- $s = merge $s (dict "TLS_PORT" "8443") -}}
{{- end -}}
{{- if include "previewd.tlsSecret" . -}}
{{- $_ := set $s "TLS_CERT" "/tls/tls.crt" -}}
{{- $_ := set $s "TLS_KEY" "/tls/tls.key" -}}
{{- end -}}
{{- if .Values.tls.selfSigned -}}
{{- $_ := set $s "TLS_SELF_SIGNED" "true" -}}
{{- end -}}
{{- if .Values.reload.enabled -}}
{{- $_ := set $s "RELOAD" "true" -}}
{{- end -}}
{{- with .Values.previews -}}
{{- if .repository -}}
{{- $_ := set $s "PREVIEWS" .repository -}}
{{- with .path }}{{ $_ := set $s "PREVIEWS_PATH" . }}{{ end -}}
{{- with include "previewd.text" .size }}{{ $_ := set $s "PREVIEWS_SIZE" . }}{{ end -}}
{{- $s = merge $s (dict "PREVIEWS_STORE" "/previews") -}}
{{- else if .enabled -}}
{{- $_ := set $s "PREVIEWS" "directories" -}}
{{- end -}}
{{- with .domain }}{{ $_ := set $s "PREVIEWS_DOMAIN" . }}{{ end -}}
{{- end -}}
{{- if include "previewd.isTrue" $s.TLS_SELF_SIGNED -}}
{{- $names := include "previewd.serviceNames" . | fromYamlArray -}}
{{- with $s.TLS_SELF_SIGNED_HOSTS }}{{ $names = append $names . }}{{ end -}}
{{- $_ := set $s "TLS_SELF_SIGNED_HOSTS" (join "," $names) -}}
{{- end -}}
{{- if $s.ALLOWED_HOSTS -}}
{{- /* Clients in the cluster, and helm test, ask for the Service by its names. */ -}}
{{- $_ := set $s "ALLOWED_HOSTS" (append (include "previewd.serviceNames" . | fromYamlArray) $s.ALLOWED_HOSTS | join ",") -}}
{{- end -}}
{{- if eq ($s.HTTPS_REDIRECT | default "") "on" -}}
{{- /* Clients come by the Service, whose port is another than the server's. */ -}}
{{- $_ := set $s "HTTPS_REDIRECT" (toString .Values.service.httpsPort) -}}
{{- end -}}
{{- toYaml $s }}
{{- end }}

{{/* A duration in whole seconds, no less than it is. */}}
{{- define "previewd.seconds" -}}
{{- divf (float64 (include "previewd.milliseconds" .)) 1000.0 | ceil | int64 }}
{{- end }}

{{/* Long enough for the delay, the drain and the end of the process. */}}
{{- define "previewd.gracePeriod" -}}
{{- $s := include "previewd.settings" . | fromYaml -}}
{{- add (include "previewd.seconds" $s.SHUTDOWN_DELAY) (include "previewd.seconds" $s.SHUTDOWN_TIMEOUT) 5 (include "previewd.preStop" . | empty | ternary 0 1) }}
{{- end }}

{{/* How many seconds the kubelet waits before it tells the server to stop: SHUTDOWN_DELAY, where Kubernetes can sleep.
The server is ready meanwhile, so that no probe fails; one that waits by itself is not. */}}
{{- define "previewd.preStop" -}}
{{- if semverCompare ">=1.30-0" .Capabilities.KubeVersion.Version -}}
{{- $s := include "previewd.settings" . | fromYaml -}}
{{- with include "previewd.seconds" $s.SHUTDOWN_DELAY | int }}{{ . }}{{ end -}}
{{- end -}}
{{- end }}

{{/* The settings as the server gets them. After the kubelet it waits for a second only, in which it says to the clients of
kept connections that it will close: else one that asks at this moment loses its request. */}}
{{- define "previewd.environment" -}}
{{- $s := include "previewd.settings" . | fromYaml -}}
{{- if include "previewd.preStop" . }}{{ $_ := set $s "SHUTDOWN_DELAY" "1s" }}{{ end -}}
{{- toYaml $s }}
{{- end }}

{{/* Where helm test asks: by HTTPS if HTTP only leads there. A redirection to a proxy is all that there is to ask for. */}}
{{- define "previewd.testOrigin" -}}
{{- $s := include "previewd.settings" . | fromYaml -}}
{{- $name := include "previewd.fullname" . -}}
{{- if and (include "previewd.https" .) (ne ($s.HTTPS_REDIRECT | default "off") "off") -}}
{{- printf "https://%s:%d" $name (int .Values.service.httpsPort) }}
{{- else -}}
{{- printf "http://%s:%d" $name (int .Values.service.port) }}
{{- end }}
{{- end }}
