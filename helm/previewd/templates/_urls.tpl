{{/* Where the site is, for NOTES. */}}

{{/* The hosts of the Ingress with their paths, and its TLS. Previews have their own, and the TLS that names no hosts is for
them: a Secret for the domain and all below it. */}}
{{- define "previewd.ingressHosts" -}}
{{- $hosts := list -}}
{{- range include "previewd.previewHosts" . | fromYamlArray }}{{ $hosts = append $hosts (dict "host" .) }}{{ end -}}
{{- $hosts | default .Values.ingress.hosts | toYaml }}
{{- end }}

{{- define "previewd.ingressTLSList" -}}
{{- $names := include "previewd.previewHosts" . | fromYamlArray -}}
{{- $list := list -}}
{{- range .Values.ingress.tls -}}
{{- $list = append $list (ternary (set (deepCopy .) "hosts" $names) . (and (gt (len $names) 0) (not .hosts))) -}}
{{- end -}}
{{- toYaml $list }}
{{- end }}

{{/* The host names of the HTTPRoute. */}}
{{- define "previewd.routeHosts" -}}
{{- include "previewd.previewHosts" . | fromYamlArray | default .Values.httpRoute.hostnames | default list | toYaml }}
{{- end }}

{{/* "true" if an Ingress speaks HTTPS for a host, "" being any: (list $ HOST). An entry of tls without hosts is for all, and a
wildcard stands for one label. */}}
{{- define "previewd.ingressTLS" -}}
{{- $host := index . 1 | default "" -}}
{{- $wildcard := regexReplaceAll "^[^.]+" $host "*" -}}
{{- range include "previewd.ingressTLSList" (index . 0) | fromYamlArray -}}
{{- if or (not .hosts) (and $host (or (has $host .hosts) (has $wildcard .hosts))) }}true{{ end -}}
{{- end -}}
{{- end }}

{{/* The URLs of the HTTPRoute: every name with every path that leads to the site, and the listener's scheme as far as the
route knows it, by the listener's name and port. The Gateway itself is another's, and often not to be read. */}}
{{- define "previewd.routeURLs" -}}
{{- $route := .Values.httpRoute -}}
{{- $paths := list -}}
{{- range $route.rules | default (list dict) -}}
{{- $redirects := false -}}
{{- range .filters }}{{ if eq (.type | default "") "RequestRedirect" }}{{ $redirects = true }}{{ end }}{{ end -}}
{{- if not $redirects -}}
{{- range .matches | default (list dict) -}}
{{- $path := .path | default dict -}}
{{- $paths = append $paths (ternary (printf "<what matches %s>" $path.value) ($path.value | default "/") (eq ($path.type | default "") "RegularExpression")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $origins := list -}}
{{- range $parent := $route.parentRefs -}}
{{- $port := int ($parent.port | default 0) -}}
{{- $name := $parent.sectionName | default "" | lower -}}
{{- $scheme := "http(s)" -}}
{{- if or (contains "https" $name) (contains "tls" $name) (eq $port 443) -}}
{{- $scheme = "https" -}}
{{- else if or (contains "http" $name) (eq $port 80) -}}
{{- $scheme = "http" -}}
{{- end -}}
{{- range include "previewd.routeHosts" $ | fromYamlArray | default (list (printf "<the address of the gateway %s>" $parent.name)) -}}
{{- $origins = append $origins (printf "%s://%s%s" $scheme . (ternary "" (printf ":%d" $port) (has $port (list 0 80 443)))) -}}
{{- end -}}
{{- end -}}
{{- $urls := list -}}
{{- range $origin := $origins }}{{ range $paths }}{{ $urls = append $urls (printf "%s%s" $origin .) }}{{ end }}{{ end -}}
{{- uniq $urls | toYaml }}
{{- end }}
