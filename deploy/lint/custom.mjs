// Holds custom resources to their operators' schemas: node custom.mjs FILE_OF_JSON, beside the packages.
// The file is a list of objects. A kind that nothing here knows is a fault, so that none goes unread.
import { readFileSync } from "node:fs";
import * as keda from "@kubernetes-models/keda/keda.sh/v1alpha1";
import * as monitoring from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

const groups = { "keda.sh/v1alpha1": keda, "monitoring.coreos.com/v1": monitoring };

let faults = 0;
const objects = JSON.parse(readFileSync(process.argv[2], "utf8"));
for (const object of objects) {
  const name = `${object.kind} ${object.metadata.name}`;
  const Kind = groups[object.apiVersion]?.[object.kind];
  try {
    if (!Kind) throw new Error(`no schema for ${object.apiVersion}`);
    new Kind(object).validate();
  } catch (error) {
    faults += 1;
    console.log(`${name}: ${error.message}`);
  }
}
console.log(`custom resources: ${objects.length} read, ${faults} findings`);
process.exit(faults ? 1 : 0);
