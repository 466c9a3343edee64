/** Something wrong with one setting: `key` as in the stack file (`proxies[1].name`), `text` goes on from there. */
export interface SettingFault {
  readonly key: string;
  readonly text: string;
}
