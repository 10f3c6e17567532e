/** The form in which usernames are unique: NFKC and lower case (contract, row 3). */
export function normalisedUsername(username: string): string {
  return username.normalize('NFKC').toLowerCase();
}

const forbidden = /[\p{Cc}]|^\s|\s$/u;

export function isUsername(username: string): boolean {
  return !forbidden.test(username) && normalisedUsername(username).length > 0;
}
