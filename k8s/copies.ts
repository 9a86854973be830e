/**
 * What the manifests take from `infra/`: the alert rules and the dashboard, each written and tested there. Neither kustomize nor helm reads a file
 * that is outside of its own folder, so `npm run k8s:render` writes these; `renders.test.ts` holds them to their sources.
 */
import { readFileSync } from 'node:fs';

export interface Copy {
  /** Within this folder. */
  readonly path: string;
  /** Within the repository. */
  readonly source: string;
  /** What the file must have, of the source as it is. */
  content(): string;
}

const ALERTS = 'infra/prometheus/alerts.yml';
const DASHBOARD = 'infra/grafana/dashboards/passerelle.json';
const HEADLINE = `# Written by \`npm run k8s:render\` from ${ALERTS}: change that.`;
const RULE = `apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: passerelle
  labels:
    app.kubernetes.io/name: passerelle
    app.kubernetes.io/instance: passerelle
spec:`;

export const COPIES: readonly Copy[] = [
  {
    path: 'components/monitoring/prometheusrule.yaml',
    source: ALERTS,
    content: () => `${HEADLINE}\n${RULE}\n${source(ALERTS).replace(/^(?=.)/gm, '  ')}`,
  },
  { path: 'helm/passerelle/files/alerts.yml', source: ALERTS, content: () => `${HEADLINE}\n${source(ALERTS)}` },
  ...['components/dashboard/passerelle.json', 'helm/passerelle/files/passerelle.json'].map((path) => {
    return { path, source: DASHBOARD, content: () => source(DASHBOARD) };
  }),
];

/** A file of the repository; the built tests stand elsewhere. */
export function source(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
}
